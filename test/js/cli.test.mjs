// The binary from outside: what it prints where, its exit statuses, its life as a
// server, and its keys beside ssh-keygen's.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AlknetError, connect, publicKey } from '../../lib/index.mjs';
import { alknet, Program, root } from './fixtures/program.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-cli-'));
after(() => fs.rmSync(folder, { recursive: true }));
const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));

let homes = 0;
const newHome = () => path.join(folder, `home${++homes}`);
const env = (home) => ({ ALKNET_HOME: home, PATH: `${path.dirname(alknet)}:${process.env.PATH}` });

/** Runs the binary to its end. */
async function run(t, home, ...args) {
  const { code, signal, stdout, stderr } = await new Program(t, alknet, args, { env: env(home), stdio: ['ignore', 'pipe', 'pipe'] }).ended;
  assert.equal(signal, null, stderr);
  return { code, stdout, stderr };
}

/** Runs a command that must go well, and gives its stdout. */
async function ok(t, home, ...args) {
  const { code, stdout, stderr } = await run(t, home, ...args);
  assert.deepEqual([code, stderr], [0, ''], args.join(' '));
  return stdout;
}

/** A line typed into a shell. */
async function typed(t, home, line) { return new Program(t, 'sh', ['-c', line], { env: env(home) }).ended; }

function serve(t, home, ...args) {
  return new Program(t, alknet, ['serve', ...(args.some((arg) => arg.startsWith('--listen')) ? [] : ['--listen', '127.0.0.1:0']), ...args], { env: env(home) });
}
const address = async (server) => (await server.line(/^ {2}address {6}(\S+)$/))[1];

/** A server with one client key that is authorized. */
async function world(t, ...args) {
  const home = newHome();
  const { publicKey: line } = JSON.parse(await ok(t, home, 'key', 'generate', '--json'));
  await ok(t, home, 'authorize', line);
  const server = serve(t, home, ...args);
  return { home, server, line, address: await address(server) };
}

const scheme = (where, to) => where.replace(/^\w+:/, `${to}:`);

describe('the alknet binary', { concurrency: 2, timeout: 120_000 }, () => {
  test('what serve prints, typed as printed, makes a first call', async (t) => {
    const home = newHome();
    const server = serve(t, home);
    const where = await address(server);
    const [, fingerprint] = await server.line(/^ {2}fingerprint {2}(SHA256:\S{43})$/);
    await server.line(/^ {2}authorized {3}0 keys in .*authorized_keys$/);
    const [, generate] = await server.line(/its key: `(alknet key generate)`/);
    const [, authorize] = await server.line(/^ {2}(alknet authorize '.*')$/);
    const [, call] = await server.line(/^ {2}(alknet call \S+ \S+ '.*')$/);
    assert.ok(call.includes(where));

    const refused = await typed(t, home, call);
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /you have no key yet: make one with `alknet key generate`/);
    const made = await typed(t, home, generate);
    assert.equal(made.code, 0, made.stderr);
    const [, line] = /^public key {3}(ssh-ed25519 \S+ \S+)$/m.exec(made.stdout);
    const early = await typed(t, home, call);
    assert.equal(early.stderr, `alknet: UNAUTHENTICATED: the node refused key ${publicKey(line).fingerprint}: authorize it there with \`alknet authorize\`\n`);
    assert.equal(early.code, 1);
    const authorized = await typed(t, home, authorize.replace(/ssh-ed25519 .*(?=')/, line));
    assert.equal(authorized.code, 0, authorized.stderr);
    server.kill('SIGHUP');
    await server.errors(/configuration read again.*keys=1/);
    assert.deepEqual(await typed(t, home, call), { code: 0, signal: null, stdout: '{"hello":"world"}\n', stderr: '' });
    assert.equal(fs.statSync(home).mode & 0o777, 0o700);
    for (const name of ['node_key', 'client_key', 'authorized_keys']) assert.equal(fs.statSync(path.join(home, name)).mode & 0o777, 0o600, name);
    assert.ok(where.includes(publicKey(fs.readFileSync(path.join(home, 'node_key'))).endpointId));
    assert.equal(publicKey(fs.readFileSync(path.join(home, 'node_key'))).fingerprint, fingerprint);
  });

  test('call, subscribe, services: JSON on stdout, over every transport', async (t) => {
    const { home, address: where } = await world(t);
    const socket = path.join(folder, 'cli.sock');
    const plain = serve(t, home, '--listen', 'tcp://127.0.0.1:0', '--listen', `unix://${socket}`);
    const addresses = [where, scheme(where, 'quic'), scheme(where, 'tls'), await address(plain), await address(plain)];
    for (const each of addresses) assert.equal(await ok(t, home, 'call', each, '/echo/echo', '{"n":12345678901234567890}'), '{"n":12345678901234567890}\n');
    assert.equal(await ok(t, home, 'call', where, '/echo/echo'), 'null\n');
    const ticks = (await ok(t, home, 'subscribe', where, '/clock/ticks', '{"interval":10}', '--count', '3')).trim().split('\n').map((line) => JSON.parse(line).n);
    assert.deepEqual(ticks, [1, 2, 3]);
    assert.equal((await ok(t, home, 'subscribe', where, '/clock/ticks', '{"interval":10,"count":2}')).trim().split('\n').length, 2);
    assert.match(await ok(t, home, 'services', where), /^\/clock\/ticks +subscription +\S.*\n\/echo\/echo +query +\S/m);
    const { operations } = JSON.parse(await ok(t, home, 'services', where, '--json'));
    const names = operations.map((operation) => operation.name);
    for (const name of ['/clock/ticks', '/echo/echo', '/node/info']) assert.ok(names.includes(name), name);
    const info = JSON.parse(await ok(t, home, 'call', where, '/node/info'));
    assert.deepEqual([info.name, info.version], ['head', version]);
    assert.equal(await ok(t, home, 'version'), `alknet ${version}\n`);
  });

  test('exit statuses: 1 when the operation fails, 2 for wrong usage; stdout stays empty', async (t) => {
    const { home, address: where } = await world(t);
    const fails = async (status, pattern, ...args) => {
      const { code, stdout, stderr } = await run(t, home, ...args);
      assert.deepEqual([code, stdout], [status, ''], `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, pattern);
      assert.match(stderr, /^alknet: /);
    };
    await fails(1, /^alknet: NOT_FOUND: there is no operation "\/no\/such" on this node\n$/, 'call', where, '/no/such');
    await fails(1, /INVALID_INPUT.*\n.*interval/, 'subscribe', where, '/clock/ticks', '{"interval":1}');
    await fails(1, /connection refused; no answer over QUIC\n$/, 'call', where.replace(/:\d+$/, ':9'), '/echo/echo');
    await fails(2, /^alknet: the input is not JSON: quote it for the shell, as in '\{"name":"value"\}'\n$/, 'call', where, '/echo/echo', '{hello:1}');
    await fails(2, /^alknet: .*echo/, 'call', where, 'echo');
    await fails(2, /^alknet: address "nonsense" has no scheme: want alknet:\/\/<endpoint-id>@host:port\n$/, 'call', 'nonsense', '/echo/echo');
    await fails(2, /--nonsense/, 'serve', '--nonsense');
    await fails(2, /nonsense/, 'nonsense');
    await fails(2, /expected/, 'call');
    await fails(2, /^alknet: .*ssh-ed25519/, 'authorize', 'nonsense');
    const help = await run(t, home, '--help');
    assert.deepEqual([help.code, help.stderr], [0, '']);
    for (const command of ['serve', 'call', 'subscribe', 'services', 'key', 'authorize', 'token', 'version']) assert.ok(help.stdout.includes(command), command);
  });

  test('a key file that is none: one clear sentence each', async (t) => {
    const { home, address: where } = await world(t);
    const file = (name, content, mode = 0o600) => {
      const made = path.join(home, name);
      fs.writeFileSync(made, content);
      fs.chmodSync(made, mode);
      return made;
    };
    const keygen = (name, ...args) => {
      execFileSync('ssh-keygen', ['-q', '-f', path.join(home, name), '-C', 'test', ...args]);
      return path.join(home, name);
    };
    const good = fs.readFileSync(path.join(home, 'client_key'));
    const pem = crypto.generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
    const says = {
      [file('open', good, 0o644)]: (p) => `key file ${p} can be read by others (mode 0644): run \`chmod 600 ${p}\``,
      [file('group', good, 0o640)]: (p) => `key file ${p} can be read by others (mode 0640): run \`chmod 600 ${p}\``,
      [home]: (p) => `key file ${p} is a directory: name the file in it`,
      [file('empty', '')]: (p) => `key file ${p} is empty: make a key with \`alknet key generate\``,
      [file('junk', 'junk\n')]: (p) => `key file ${p}: this is not a private key: want an OpenSSH Ed25519 key, as \`ssh-keygen -t ed25519\` makes`,
      [file('pem', pem)]: (p) => `key file ${p}: the key is in PEM format "PRIVATE KEY", and OpenSSH's is wanted: convert it with \`ssh-keygen -p -f FILE\`, or make an Ed25519 key with \`ssh-keygen -t ed25519\``,
      [keygen('rsapem', '-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', '')]: (p) => `key file ${p}: the key is in PEM format "RSA PRIVATE KEY", and OpenSSH's is wanted: convert it with \`ssh-keygen -p -f FILE\`, or make an Ed25519 key with \`ssh-keygen -t ed25519\``,
      [keygen('rsa', '-t', 'rsa', '-b', '2048', '-N', '')]: (p) => `key file ${p}: the key is not an Ed25519 key but a ssh-rsa key: make one with \`ssh-keygen -t ed25519\``,
      [keygen('ecdsa', '-t', 'ecdsa', '-N', '')]: (p) => `key file ${p}: the key is not an Ed25519 key but a ecdsa-sha2-nistp256 key: make one with \`ssh-keygen -t ed25519\``,
      [keygen('protected', '-t', 'ed25519', '-N', 'hunter2')]: () => 'the private key is protected by a passphrase, and none was given',
      [path.join(home, 'none')]: (p) => `read the key file: open ${p}: no such file or directory`,
    };
    const uses = (key) => [['call', where, '/echo/echo', '--key', key], ['serve', '--listen', '127.0.0.1:0', '--key', key], ['token', '--key', key], ['key', 'show', key]];
    for (const [key, sentence] of Object.entries(says)) {
      for (const args of uses(key)) assert.deepEqual(await run(t, home, ...args), { code: 1, stdout: '', stderr: `alknet: ${sentence(key)}\n` }, args.join(' '));
    }
  });

  test('ssh-keygen and the binary read each other\'s keys, and agree on the fingerprint', async (t) => {
    const { home, server, address: where } = await world(t);
    const fingerprint = (file) => /SHA256:\S+/.exec(execFileSync('ssh-keygen', ['-l', '-f', file], { encoding: 'utf8' }))[0];
    const theirs = path.join(home, 'theirs');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'made by ssh-keygen', '-f', theirs]);
    for (const file of [theirs, `${theirs}.pub`]) {
      const shown = JSON.parse(await ok(t, home, 'key', 'show', file, '--json'));
      assert.equal(shown.fingerprint, fingerprint(theirs));
      assert.equal(shown.publicKey.split(' ')[1], fs.readFileSync(`${theirs}.pub`, 'utf8').split(' ')[1]);
    }
    const authorized = await ok(t, home, 'authorize', fs.readFileSync(`${theirs}.pub`, 'utf8').trim());
    assert.ok(authorized.startsWith(`${fingerprint(theirs)} added to `), authorized);
    assert.ok((await ok(t, home, 'authorize', fs.readFileSync(`${theirs}.pub`, 'utf8').trim(), '--scopes', 'a,b')).startsWith(`${fingerprint(theirs)} replaced in `));
    server.kill('SIGHUP');
    await server.errors(/configuration read again/);
    assert.equal(await ok(t, home, 'call', where, '/echo/echo', '1', '--key', theirs), '1\n');
    // The other way round.
    const ours = path.join(home, 'client_key');
    assert.equal(JSON.parse(await ok(t, home, 'key', 'show', '--json')).fingerprint, fingerprint(ours));
    assert.equal(execFileSync('ssh-keygen', ['-y', '-f', ours], { encoding: 'utf8' }).split(' ')[1], JSON.parse(await ok(t, home, 'key', 'show', '--json')).publicKey.split(' ')[1]);
    // A protected one, from JavaScript.
    const guarded = path.join(home, 'guarded');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'hunter2', '-f', guarded]);
    await ok(t, home, 'authorize', fs.readFileSync(`${guarded}.pub`, 'utf8').trim());
    server.kill('SIGHUP');
    await server.errors(/read again[^]*read again/);
    const node = await connect(where, { key: guarded, passphrase: 'hunter2' });
    assert.equal(node.identity.id, fingerprint(guarded));
    await node.close();
    await assert.rejects(connect(where, { key: guarded, passphrase: 'hunter3' }), (error) => error.code === 'INVALID_INPUT' && /the passphrase does not open the private key/.test(error.message));
    // Existing files stay.
    const { code, stderr } = await run(t, home, 'key', 'generate', theirs);
    assert.deepEqual([code, stderr], [1, `alknet: ${theirs} exists and stays as it is: name another file, or move it away\n`]);
  });

  test('a wrong pin names both fingerprints; an unknown key is refused', async (t) => {
    const { home, address: where } = await world(t);
    const stranger = newHome();
    const other = JSON.parse(await ok(t, stranger, 'key', 'generate', '--json'));
    const [, id, host] = /^alknet:\/\/(.*)@(.*)$/.exec(where);
    const mine = publicKey(fs.readFileSync(path.join(home, 'node_key')));
    assert.equal(mine.endpointId, id);
    for (const kind of ['alknet', 'quic', 'tls']) {
      const { code, stdout, stderr } = await run(t, home, 'call', `${kind}://${other.endpointId}@${host}`, '/echo/echo');
      assert.deepEqual([code, stdout], [1, '']);
      assert.equal(stderr, `alknet: UNAUTHENTICATED: the node has key ${mine.fingerprint} but the address pins ${other.fingerprint}: if the node was given a new key, use its new address\n`);
      const refused = await run(t, stranger, 'call', scheme(where, kind), '/echo/echo');
      assert.deepEqual(refused, { code: 1, stdout: '', stderr: `alknet: UNAUTHENTICATED: the node refused key ${other.fingerprint}: authorize it there with \`alknet authorize\`\n` });
    }
  });

  test('tokens: made by the binary, taken without a key; stale and damaged ones are refused alike', async (t) => {
    const { home, address: where } = await world(t, '--listen', 'tcp://127.0.0.1:0');
    assert.match(where, /^tcp:/);
    assert.equal(await ok(t, home, 'call', where, '/echo/echo', '1'), '1\n');
    const token = (await ok(t, home, 'token')).trim();
    assert.match(token, /^[\w-]{139}$/);
    const node = await connect(where, { token });
    assert.equal(node.identity.id, publicKey(fs.readFileSync(path.join(home, 'client_key'))).fingerprint);
    await node.close();
    // A key of ours, to make tokens of any age with.
    const pair = crypto.generateKeyPairSync('ed25519');
    const raw = Buffer.from(pair.publicKey.export({ format: 'jwk' }).x, 'base64url');
    const field = (bytes) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
    await ok(t, home, 'authorize', `ssh-ed25519 ${Buffer.concat([field(Buffer.from('ssh-ed25519')), field(raw)]).toString('base64')} test`);
    const server = serve(t, home, '--listen', 'tcp://127.0.0.1:0');
    const there = await address(server);
    const make = (seconds) => {
      const signed = Buffer.concat([crypto.createHash('sha256').update(raw).digest(), Buffer.alloc(8)]);
      signed.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000) + seconds), 32);
      return Buffer.concat([signed, crypto.sign(null, signed, pair.privateKey)]).toString('base64url');
    };
    await (await connect(there, { token: make(0) })).close();
    const errors = new Set();
    const damaged = make(0).replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A'));
    const flipped = Buffer.from(make(0), 'base64url');
    flipped[50] ^= 1;
    for (const bad of [make(-3600), make(3600), damaged, flipped.toString('base64url'), 'garbage', 'x'.repeat(139), `${make(0)}A`]) {
      await assert.rejects(connect(there, { token: bad }), (error) => {
        assert.ok(error instanceof AlknetError && !error.message.includes(bad));
        errors.add(`${error.code}: ${error.message}`);
        return true;
      });
    }
    assert.deepEqual([...errors], ['UNAUTHENTICATED: the credential was refused']);
  });

  test('SIGTERM lets calls finish and exits 0; a second signal ends it at once', async (t) => {
    const { home, server, address: where } = await world(t);
    const node = await connect(where, { key: path.join(home, 'client_key'), reconnect: false });
    const events = node.subscribe('/clock/ticks', { interval: 10, count: 20 });
    await events.next();
    server.kill('SIGTERM');
    let last;
    for await (const event of events) last = event.n;
    assert.equal(last, 20, 'the subscription ran to its end');
    assert.deepEqual(await server.ended.then(({ code, signal }) => [code, signal]), [0, null]);
    await node.close();

    const again = serve(t, home);
    const busy = await connect(await address(again), { key: path.join(home, 'client_key'), reconnect: false });
    const endless = busy.subscribe('/clock/ticks', { interval: 10 });
    await endless.next();
    again.kill('SIGTERM');
    // It drains: nothing new is taken, and what runs goes on.
    await assert.rejects(async () => { for (;;) await busy.call('/echo/echo'); }, (error) => error.code === 'UNAVAILABLE');
    await endless.next();
    again.kill('SIGTERM');
    assert.deepEqual(await again.ended.then(({ code, signal }) => [code, signal]), [null, 'SIGTERM']);
    await busy.close();
  });

  test('SIGHUP reads the authorized keys again; a mistake in them changes nothing', async (t) => {
    const { home, server, address: where } = await world(t);
    const file = path.join(home, 'authorized_keys');
    const before = fs.readFileSync(file);
    for (const [mistake, text] of [['nonsense\n', /authorized_keys:2:1: .*this is not a line of authorized_keys/], ['cert-authority ssh-ed25519 AAAA x\n', /authorized_keys:2/]]) {
      fs.writeFileSync(file, Buffer.concat([before, Buffer.from(mistake)]));
      server.stderr = '';
      server.kill('SIGHUP');
      await server.errors(/the configuration stays as it was/);
      assert.match(server.stderr, text);
      assert.equal(await ok(t, home, 'call', where, '/echo/echo', '1'), '1\n');
      const { code, stderr } = await run(t, home, 'serve', '--listen', '127.0.0.1:0');
      assert.equal(code, 1);
      assert.match(stderr, text);
    }
    fs.writeFileSync(file, '# nobody\n');
    server.kill('SIGHUP');
    await server.errors(/configuration read again.*keys=0/);
    assert.equal((await run(t, home, 'call', where, '/echo/echo', '1')).code, 1);
    fs.writeFileSync(file, before);
    server.kill('SIGHUP');
    await server.errors(/configuration read again.*keys=1/);
    assert.equal(await ok(t, home, 'call', where, '/echo/echo', '1'), '1\n');
  });

  test('a taken port: one sentence, and status 1', async (t) => {
    const { home, address: where } = await world(t);
    const port = where.split(':').at(-1);
    const { code, stdout, stderr } = await run(t, home, 'serve', '--listen', `127.0.0.1:${port}`);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^alknet: listen on alknet:\/\/127\.0\.0\.1:\d+: listen \w+ 127\.0\.0\.1:\d+: bind: address already in use\n$/);
    assert.ok(stderr.includes(port));
    // Also when only TCP is taken: the UDP half is given back.
    const taken = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    assert.equal((await run(t, home, 'serve', '--listen', `127.0.0.1:${taken.address().port}`)).code, 1);
    await new Promise((resolve) => taken.close(resolve));
  });

  test('serve --json and --log-format json are for programs', async (t) => {
    const home = newHome();
    const server = serve(t, home, '--json', '--log-format', 'json', '--name', 'mine', '--allow-anonymous');
    const told = JSON.parse((await server.line(/^\{.*\}$/))[0]);
    assert.deepEqual(Object.keys(told).sort(), ['addresses', 'apiKeys', 'authorizedKeys', 'endpointId', 'fingerprint']);
    const node = await connect(told.addresses[0]);
    assert.equal((await node.call('/node/info')).name, 'mine');
    assert.equal(node.identity, null);
    await node.close();
    server.kill('SIGHUP');
    await server.errors(/\n/);
    for (const line of server.stderr.trim().split('\n')) assert.equal(typeof JSON.parse(line).msg, 'string');
    server.kill('SIGINT');
    assert.equal((await server.ended).code, 0);
  });

  test('a reader of its stdout that leaves ends subscribe', async (t) => {
    const { home, address: where } = await world(t);
    const { stdout, code } = await typed(t, home, `alknet subscribe ${where} /clock/ticks '{"interval":10}' | head -n 2 | wc -l`);
    assert.deepEqual([stdout.trim(), code], ['2', 0]);
  });
});

before(() => assert.ok(fs.existsSync(alknet), 'make build comes first'));
