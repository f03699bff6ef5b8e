// What a node signs in elsewhere with: kept sealed, used by handlers, seen by nobody else.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { spawnSync } from 'node:child_process';
import { AlknetError, Credential, CredentialStore, SecretStore, connect, generateKey, serve } from '../../lib/index.mjs';
import { PHRASE, code, unlocked, utf8 } from './fixtures/secrets.mjs';

const OTHER = 'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about';
const CANARY = 'canary-cr3d3nt14l-0123456789';
const zero = (bytes) => bytes.every((b) => b === 0);

async function begin(t) {
  const directory = path.join(mkdtempSync(path.join(os.tmpdir(), 'alknet-credentials-')), 'credentials');
  const secrets = await unlocked(PHRASE);
  const credentials = new CredentialStore(secrets, { directory });
  const events = [];
  credentials.on('audit', ({ time, ...event }) => {
    assert.ok(time instanceof Date);
    events.push(event);
  });
  t.after(() => {
    secrets.dispose();
    rmSync(path.dirname(directory), { recursive: true });
  });
  return { secrets, credentials, directory, events };
}

// Each type, with every part.
const samples = () => ({
  apikey: { type: 'apiKey', key: utf8(CANARY), header: 'private-token' },
  basic: { type: 'basic', username: 'alice', password: utf8('open "sesame"\n ü') },
  bearer: { type: 'bearer', token: CANARY },
  s3: { type: 's3', accessKeyId: 'AKIA', secretAccessKey: utf8(CANARY), sessionToken: CANARY, region: 'eu-1', endpoint: 'https://s3.example.com' },
  oidc: { type: 'oidc', issuer: 'https://id.example.com', clientId: 'app', clientSecret: utf8('secret'), refreshToken: utf8('refresh'), scope: 'openid' },
  custom: { type: 'custom', fields: { pin: utf8('0042'), pem: '-----BEGIN X-----\n' } },
});

test('each type is added, listed, got and removed', async (t) => {
  const { credentials, directory, events } = await begin(t);
  assert.deepEqual(await credentials.list(), []);
  for (const [service, credential] of Object.entries(samples())) {
    const values = credential.fields ?? credential;
    const texts = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Buffer.from(value).toString()]));
    const info = await credentials.add(service, credential);
    for (const value of Object.values(values)) assert.ok(typeof value === 'string' || zero(value), `${service}: a secret was not wiped`);
    assert.equal(statSync(path.join(directory, `${service}.json`)).mode & 0o777, 0o600);
    const found = await credentials.get(service);
    assert.ok(found instanceof Credential);
    for (const told of [info, found]) {
      assert.deepEqual([told.service, told.type], [service, credential.type]);
      assert.ok(told.added instanceof Date && Math.abs(Date.now() - told.added) < 60_000);
      assert.deepEqual([...Object.keys(told.fields), ...told.secrets].sort(), Object.keys(texts).filter((name) => name !== 'type' || credential.fields).sort());
    }
    for (const name of found.secrets) {
      const bytes = await found.secret(name);
      assert.equal(Buffer.from(bytes).toString(), texts[name]);
      assert.equal(bytes.buffer.byteLength, bytes.length);
      assert.equal(found.textSync(name), texts[name]);
    }
    for (const [name, value] of Object.entries(found.fields)) assert.equal(value, texts[name]);
    await assert.rejects(found.secret('nothing'), code('NOT_FOUND'));
  }
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  const list = await credentials.list();
  assert.deepEqual(list.map((entry) => [entry.service, entry.type, entry.keyVersion, entry.error]), Object.entries(samples()).sort().map(([service, { type }]) => [service, type, 2, undefined]));
  assert.deepEqual(await (await credentials.get('apikey')).headers(), { 'private-token': CANARY });
  assert.deepEqual(await (await credentials.get('bearer')).headers(), { authorization: `Bearer ${CANARY}` });
  assert.deepEqual((await credentials.get('basic')).headersSync(), { authorization: `Basic ${Buffer.from('alice:open "sesame"\n ü').toString('base64')}` });
  await assert.rejects((await credentials.get('s3')).headers(), code('INVALID_INPUT'));

  await assert.rejects(credentials.add('basic', { type: 'bearer', token: utf8('x') }), code('CONFLICT'));
  const kept = utf8('kept');
  await credentials.add('basic', { type: 'bearer', token: kept }, { replace: true, wipe: false });
  assert.equal(Buffer.from(kept).toString(), 'kept');
  assert.equal((await credentials.get('basic')).type, 'bearer');
  await credentials.remove('basic');
  await assert.rejects(credentials.get('basic'), code('NOT_FOUND'));
  await assert.rejects(credentials.remove('basic'), code('NOT_FOUND'));
  assert.deepEqual(events.slice(-6), [
    { action: 'add', service: 'basic', code: 'CONFLICT' }, { action: 'add', service: 'basic', type: 'bearer' }, { action: 'get', service: 'basic', type: 'bearer' },
    { action: 'remove', service: 'basic' }, { action: 'get', service: 'basic', code: 'NOT_FOUND' }, { action: 'remove', service: 'basic', code: 'NOT_FOUND' },
  ]);
  assert.ok(!JSON.stringify(events).includes('canary'));
});

test('locking takes every credential away at once; the same phrase brings it back, another one does not', async (t) => {
  const { secrets, credentials, directory, events } = await begin(t);
  await credentials.add('github', { type: 'bearer', token: utf8(CANARY) });
  const github = await credentials.get('github');
  secrets.lock();
  assert.throws(() => github.secretSync('token'), code('LOCKED'));
  await assert.rejects(github.headers(), code('LOCKED'));
  await assert.rejects(credentials.get('github'), code('LOCKED'));
  await assert.rejects(credentials.add('gitlab', { type: 'bearer', token: utf8('x') }), code('LOCKED'));
  const [entry] = await credentials.list();
  assert.deepEqual(Object.keys(entry), ['service', 'changed', 'keyVersion']);
  await secrets.unlock(utf8(OTHER));
  assert.throws(() => github.secretSync('token'), code('DECRYPTION_FAILED'));
  await assert.rejects(credentials.get('github'), (error) => code('DECRYPTION_FAILED')(error) && /another phrase/.test(error.message) && error.message.includes(directory));
  await assert.rejects(credentials.add('gitlab', { type: 'bearer', token: utf8('x') }), code('DECRYPTION_FAILED'), 'a mistyped phrase seals beside the good one');
  secrets.lock();
  await secrets.unlock(utf8(PHRASE));
  assert.equal(github.textSync('token'), CANARY);
  // What another process writes counts at once.
  const other = new CredentialStore(secrets, { directory });
  await other.add('github', { type: 'bearer', token: utf8('next') }, { replace: true });
  assert.equal(await (await credentials.get('github')).text('token'), 'next');
  assert.equal(github.textSync('token'), CANARY, 'what was got before has changed');
  writeFileSync(path.join(directory, 'broken.json'), CANARY, { mode: 0o600 });
  await assert.rejects(credentials.get('broken'), (error) => code('INVALID_INPUT')(error) && error.message.includes('broken.json') && !error.message.includes('canary'));
  const broken = (await credentials.list()).find(({ service }) => service === 'broken');
  assert.ok(code('INVALID_INPUT')(broken.error));
  secrets.lock();
  await credentials.remove('github');
  secrets.dispose();
  await assert.rejects(credentials.get('broken'), code('CLOSED'));
  assert.ok(events.some(({ action, code: failed }) => action === 'open' && failed === 'LOCKED'));
});

test('no secret is in what is printed, written as JSON, thrown or told', async (t) => {
  const { secrets, credentials, directory, events } = await begin(t);
  await credentials.add('basic', { type: 'basic', username: 'alice', password: utf8(CANARY) });
  const basic = await credentials.get('basic');
  const shown = [basic, credentials, await credentials.list(), { basic }, new Map([['basic', basic]])].flatMap((value) => [
    inspect(value), inspect(value, { showHidden: true, depth: 20, showProxy: true, getters: true }), JSON.stringify(value), String(value), inspect(Object.entries(value)),
  ]);
  shown.push(inspect(events), inspect(secrets), ...readdirSync(directory).map((name) => readFileSync(path.join(directory, name), 'latin1')));
  for (const bad of [{ type: CANARY }, { type: 'basic', user: CANARY, password: CANARY }, { type: 'basic', username: `${CANARY}:`, password: CANARY }, { type: 'custom', fields: { [`${CANARY} `]: CANARY } }, { type: 'bearer', token: new Uint8Array([...utf8(CANARY), 255]) }]) {
    await assert.rejects(credentials.add('bad', bad), (error) => shown.push(inspect(error)) > 0);
  }
  for (const text of shown) assert.ok(!text.includes(CANARY) && !text.includes(Buffer.from(CANARY).toString('hex')) && !text.includes('99, 97, 110, 97'), text);
  assert.equal(inspect(basic), `Credential {\n  service: 'basic',\n  type: 'basic',\n  added: ${inspect(basic.added)},\n  fields: { username: 'alice' },\n  secrets: [ 'password' ]\n}`);
});

test('wrong arguments are told before anything is done', async (t) => {
  const { secrets, credentials } = await begin(t);
  assert.throws(() => new CredentialStore({}, { directory: 'x' }), /needs a SecretStore/);
  assert.throws(() => new CredentialStore(secrets), TypeError);
  assert.throws(() => new CredentialStore(secrets, { directory: '' }), /is empty/);
  assert.throws(() => new CredentialStore(secrets, { folder: 'x' }), /has no option "folder"/);
  for (const [args, wants] of [
    [[1, {}], /service must be a string/], [['x'], /must be an object/], [['x', {}], /type must be one of/], [['x', { type: 'basic', username: 'a', passwort: 'b' }], /did you mean "password"/],
    [['x', { type: 'basic', username: 1, password: 'b' }], /username must be a string/], [['x', { type: 'bearer', token: 1 }], /token must be a Uint8Array or a string/], [['x', { type: 'custom', fields: 'x' }], /fields .* must be an object/],
    [['x', { type: 'bearer', token: 'x'.repeat(17_000) }], /at most 16384/], [['x', { type: 'bearer', token: 'x' }, { overwrite: true }], /no option "overwrite"/],
  ]) await assert.rejects(credentials.add(...args), wants);
  for (const service of ['', '../x', 'X', 'a/b', 'nul', '.hidden', 'x'.repeat(65)]) {
    await assert.rejects(credentials.get(service), code('INVALID_INPUT'));
    await assert.rejects(credentials.remove(service), code('INVALID_INPUT'));
    await assert.rejects(credentials.add(service, { type: 'bearer', token: 'x' }), code('INVALID_INPUT'));
  }
  for (const credential of [{ type: 'basic', password: 'x' }, { type: 'basic', username: 'a' }, { type: 'oidc', issuer: 'http://id.example.com', clientId: 'a', clientSecret: 'x' }, { type: 'custom', fields: {} }, { type: 'custom', fields: { '1': 'x' } }]) {
    await assert.rejects(credentials.add('x', credential), code('INVALID_INPUT'));
  }
  await assert.rejects(serve({ listen: '127.0.0.1:0', credentials: 'credentials' }), /must be a CredentialStore/);
  await assert.rejects(connect('tcp://127.0.0.1:1', { credentials: {} }), /must be a CredentialStore/);
});

test('handlers of a server and of a connection use credentials; their callers get none', async (t) => {
  const { secrets, credentials, events } = await begin(t);
  await credentials.add('github', { type: 'bearer', token: utf8(CANARY) });
  const user = generateKey();
  const server = await serve({ listen: '127.0.0.1:0', authorizedKeys: [`scopes="*,admin,node:register" ${user.publicKey}`], credentials });
  const own = { get: async (service) => { throw new AlknetError('LOCKED', `${CANARY} of ${service}`); } };
  const client = await connect(server.address, { key: Buffer.from(user.privateKey), credentials: own });
  t.after(async () => {
    await client.close();
    await server.close();
  });
  const failures = [];
  for (const node of [server, client]) node.on('handlerError', (error, operation) => failures.push([operation, error.code]));
  const use = async ({ service }, ctx) => {
    const credential = await ctx.credentials(service);
    return { signedIn: (await credential.headers()).authorization === `Bearer ${CANARY}`, credential };
  };
  await server.handle('/issues/count', use, { credentials: ['github', 'missing'] });
  await server.handle('/issues/none', use);
  await server.handle({ name: '/issues/stream', type: 'subscription' }, async function* (input, { credentials: take }) {
    yield (await take('github')).textSync('token') === CANARY;
  }, { credentials: ['github'] });
  await client.handle('/issues/own', use, { credentials: ['github'] });
  await client.join('dev1');

  const answer = await client.call('/issues/count', { service: 'github' });
  assert.equal(answer.signedIn, true);
  assert.deepEqual(answer.credential.secrets, ['token']);
  assert.ok(!JSON.stringify(answer).includes('canary'));
  for await (const right of client.subscribe('/issues/stream')) assert.equal(right, true);
  assert.deepEqual(events.slice(1, 3), [
    { action: 'get', service: 'github', type: 'bearer', operation: '/issues/count', identity: user.fingerprint },
    { action: 'open', service: 'github', type: 'bearer', operation: '/issues/count', identity: user.fingerprint },
  ]);
  // Whatever is wrong with the node's credentials is not its callers' business.
  const refused = async (operation, service) => {
    const error = await client.call(operation, { service }).then(() => undefined, (e) => e);
    assert.deepEqual([error?.code, error.message], ['INTERNAL', 'the operation failed; its node has logged why'], `${operation} of ${service}`);
  };
  await refused('/issues/count', 'missing');
  await refused('/issues/count', 'other');
  await refused('/issues/none', 'github');
  await refused('/issues/count', 1);
  await refused('/dev1/issues/own', 'github');
  secrets.lock();
  await refused('/issues/count', 'github');
  await secrets.unlock(utf8(PHRASE));
  assert.equal((await client.call('/issues/count', { service: 'github' })).signedIn, true);
  assert.deepEqual(failures.map(([, failed]) => failed), ['NOT_FOUND', 'FORBIDDEN', 'FORBIDDEN', undefined, 'LOCKED', 'LOCKED']);
  for (const { name } of await client.services()) assert.ok(!name.includes('credential'), name);
  for (const operation of ['/credentials/get', '/github/get', '/dev1/credentials/get']) await assert.rejects(client.call(operation, { service: 'github' }), code('NOT_FOUND'));
});

test('without the option handlers are told what to do', async (t) => {
  const server = await serve({ listen: '127.0.0.1:0', allowAnonymous: true });
  const client = await connect(server.address);
  t.after(async () => {
    await client.close();
    await server.close();
  });
  let inside;
  await server.handle('/x/y', async (_, { credentials }) => {
    inside = await credentials('github').catch((error) => error);
    return null;
  }, { credentials: ['github'] });
  await client.call('/x/y');
  assert.ok(code('UNAVAILABLE')(inside) && /option credentials/.test(inside.message) && !inside.retryable);
  assert.throws(() => server.handle('/x/z', () => null, { credentials: 'github' }), TypeError);
});

test('the binary and the package read each other\'s files', async (t) => {
  const { credentials, directory } = await begin(t);
  const binary = fileURLToPath(new URL('../../bin/alknet', import.meta.url));
  const home = path.dirname(directory);
  writeFileSync(path.join(home, 'phrase'), PHRASE, { mode: 0o600 });
  const alknet = (args, input) => spawnSync(binary, ['--home', home, 'credential', ...args, '--phrase-file', path.join(home, 'phrase')], { input, encoding: 'utf8' });
  const made = alknet(['add', 'mail', '--type', 'basic', '--username', 'alice', '--secret-fd', '0'], `${CANARY}\n`);
  assert.equal(made.status, 0, made.stderr);
  assert.equal(await (await credentials.get('mail')).text('password'), CANARY);
  await credentials.add('vault', { type: 'custom', fields: { pin: utf8('0042') } });
  const list = alknet(['list', '--json']);
  assert.deepEqual(JSON.parse(list.stdout).map(({ service, type, secrets }) => [service, type, ...secrets]), [['mail', 'basic', 'password'], ['vault', 'custom', 'pin']]);
});

test('a store may be used by its credentials alone', async () => {
  const store = new SecretStore();
  const credentials = new CredentialStore(store, { directory: 'nowhere' });
  assert.equal(credentials.store, store);
  assert.ok(path.isAbsolute(credentials.directory));
  assert.deepEqual(await credentials.list(), []);
  await assert.rejects(credentials.get('x'), code('NOT_FOUND'));
  store.dispose();
});
