// A server's configuration: its structure as options, files, and reload().
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { AlknetError, connect, generateKey, serve } from '../../lib/index.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-reload-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const bytes = (key) => Buffer.from(key.privateKey);
const listen = '127.0.0.1:0';
const coded = (code, text = '') => (error) => {
  assert.ok(error instanceof AlknetError, `${error}`);
  assert.equal(error.code, code);
  assert.ok(error.message.includes(text), error.message);
  return true;
};

test('the structure of the configuration is an option', async () => {
  const user = generateKey('user');
  const apiKey = `alk_${'A'.repeat(43)}`;
  const server = await serve({
    listen,
    config: {
      node: { name: 'edge', drain: '1s' },
      auth: {
        keys: [{ publicKey: user.publicKey, scopes: ['math'] }],
        apiKeys: [{ prefix: apiKey.slice(0, 12), sha256: createHash('sha256').update(apiKey).digest('hex'), scopes: ['ci'] }],
      },
      access: [{ path: '/closed/**', scopes: ['nobody'] }],
    },
  });
  try {
    await server.handle({ name: '/math/one', accessControl: { requiredScopes: ['math'] } }, () => 1);
    await server.handle('/closed/door', () => 1);
    const node = await connect(server.address, { key: bytes(user) });
    assert.equal(await node.call('/math/one'), 1);
    assert.equal((await node.call('/node/info')).name, 'edge');
    await assert.rejects(node.call('/closed/door'), coded('FORBIDDEN'));
    const program = await connect(server.address, { token: apiKey });
    assert.equal(program.identity.id, apiKey.slice(0, 12));
    await assert.rejects(program.call('/math/one'), coded('FORBIDDEN'));
    await Promise.all([node.close(), program.close()]);
  } finally {
    await server.close();
  }
});

test('what is wrong with the structure is told by its key', async () => {
  await assert.rejects(serve({ listen, config: { limit: {} } }), coded('INVALID_INPUT', 'did you mean "limits"?'));
  await assert.rejects(serve({ listen, config: { limits: { connections: -1 }, auth: { keys: [{ publicKey: 'ssh-rsa AAAA' }] } } }), (error) => {
    coded('INVALID_INPUT')(error);
    assert.deepEqual(error.details.errors.map(({ source, key }) => [source, key]), [['options', 'limits.connections']]);
    return true;
  });
  await assert.rejects(serve({ listen, config: { secrets: { identity: true } } }), coded('INVALID_INPUT', 'the option identity'));
  await assert.rejects(serve({ config: 7 }), TypeError);
  await assert.rejects(serve({ limits: { connection: 1 } }), /did you mean "connections"/);
  await assert.rejects(serve({ limits: { maxFrame: 0 } }), RangeError);
});

test('a file, and reload: files are read again, mistakes change nothing, revoked sessions end', async () => {
  const user = generateKey('user');
  const other = generateKey('other');
  const config = path.join(folder, 'alknet.toml');
  const keys = path.join(folder, 'keys');
  fs.writeFileSync(config, '[auth]\nauthorized_keys = "keys"\n[[listeners]]\naddress = "127.0.0.1:0"\n');
  fs.writeFileSync(keys, `scopes="math" ${user.publicKey}\n`);
  const server = await serve({ config });
  try {
    await server.handle({ name: '/math/one', accessControl: { requiredScopes: ['math'] } }, () => 1);
    const opened = once(server, 'session');
    const node = await connect(server.address, { key: bytes(user), reconnect: false });
    await opened;
    assert.equal(await node.call('/math/one'), 1);

    fs.writeFileSync(keys, `scopes="" ${user.publicKey}\n${other.publicKey}\n`);
    assert.deepEqual(await server.reload(), { changed: [], restart: [], keys: 2, apiKeys: 0, ended: 0 });
    await assert.rejects(node.call('/math/one'), coded('FORBIDDEN'));

    fs.writeFileSync(config, '[auth]\nauthorized_keys = "keys"\n[limits]\nconection = 1\n');
    await assert.rejects(server.reload(), (error) => {
      coded('INVALID_INPUT', 'did you mean "connections"?')(error);
      assert.deepEqual(error.details.errors, [{ file: config, line: 4, column: 1, key: 'limits.conection', message: 'unknown key', suggestion: 'connections' }]);
      return true;
    });
    assert.equal((await node.call('/node/info')).name, 'head');

    fs.writeFileSync(config, '[auth]\nauthorized_keys = "keys"\n[limits]\nconnections = 9\n[[listeners]]\naddress = "127.0.0.1:1"\n');
    fs.writeFileSync(keys, `${other.publicKey}\n`);
    const closed = once(node, 'close');
    assert.deepEqual(await server.reload(), { changed: ['limits.connections', 'listeners[0].address'], restart: ['listeners[0].address'], keys: 1, apiKeys: 0, ended: 1 });
    await closed;
    await assert.rejects(connect(server.address, { key: bytes(user) }), coded('UNAUTHENTICATED'));
  } finally {
    await server.close();
  }
  await assert.rejects(server.reload(), coded('UNAVAILABLE'));
});

test('reload gives options anew; what was refused is forgotten', async () => {
  const [alice, bob] = [generateKey('alice'), generateKey('bob')];
  const server = await serve({ listen, authorizedKeys: [alice.publicKey] });
  try {
    await assert.rejects(server.reload({ authorizedKeys: ['no-such-option x'] }), coded('INVALID_INPUT', 'authorizedKeys[0]:1:'));
    await assert.rejects(server.reload({ listen }), TypeError);
    await assert.rejects(server.reload({ config: { limits: { maxFrame: 1 } } }), coded('INVALID_INPUT', 'limits.maxFrame'));
    const first = await connect(server.address, { key: bytes(alice) });
    await first.close();
    assert.equal((await server.reload({ authorizedKeys: [bob.publicKey], allowAnonymous: false })).keys, 1);
    await assert.rejects(connect(server.address, { key: bytes(alice) }), coded('UNAUTHENTICATED'));
    assert.equal((await server.reload()).keys, 1);
    await (await connect(server.address, { key: bytes(bob) })).close();
  } finally {
    await server.close();
  }
});

test('a certificate of an authority that is accepted opens a session', async () => {
  const keygen = (...args) => execFileSync('ssh-keygen', ['-q', ...args], { cwd: folder });
  keygen('-t', 'ed25519', '-N', '', '-f', 'ca');
  keygen('-t', 'ed25519', '-N', '', '-f', 'user');
  keygen('-s', 'ca', '-I', 'user', '-n', 'dev', '-V', '-5m:+1h', 'user.pub');
  const text = (name) => fs.readFileSync(path.join(folder, name), 'utf8');
  const server = await serve({ listen: ['quic://127.0.0.1:0', 'tcp://127.0.0.1:0'], authorizedKeys: [`cert-authority,principals="dev",scopes="math" ${text('ca.pub')}`] });
  try {
    for (const address of server.addresses) {
      const node = await connect(address, { key: Buffer.from(text('user')), certificate: text('user-cert.pub') });
      assert.deepEqual(node.identity.scopes, ['math']);
      await node.close();
      await assert.rejects(connect(address, { key: Buffer.from(text('user')) }), coded('UNAUTHENTICATED'));
    }
  } finally {
    await server.close();
  }
});
