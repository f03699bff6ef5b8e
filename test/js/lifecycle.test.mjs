// What keeps the process alive and what ends it, and how connections and servers
// open, fail to, and close.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { AlknetError, connect, generateKey, publicKey, serve } from '../../lib/index.mjs';
import { Program } from './fixtures/program.mjs';

const require = createRequire(import.meta.url);
const engine = require('../../lib/engine/select.js').engineOf();
const { kDisconnected, kOpened, kReconnected } = require('../../lib/core/symbols.js');
const clientKey = generateKey('client');
const key = () => Buffer.from(clientKey.privateKey);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-life-'));
let head;

before(async () => { head = await serve({ listen: '127.0.0.1:0', authorizedKeys: [clientKey.publicKey] }); });
after(async () => {
  await head.close();
  fs.rmSync(folder, { recursive: true });
});

const fails = (code, text = '') => (error) => {
  assert.ok(error instanceof AlknetError, `${error}`);
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.includes(text), error.message);
  assert.ok(!error.message.includes('\n'), error.message);
  return true;
};
const hostPort = () => head.address.split('@')[1];
const client = (t, mode, address = head.address) => Program.fixture(t, 'client.mjs', [mode, address], { env: { TEST_KEY: clientKey.privateKey } });

describe('a program ends by itself', { concurrency: 2, timeout: 60_000 }, () => {
  const endings = {
    unref: ['after the call that kept it alive, unref()ed', 'kept alive by the call\n'],
    unrefSubscription: ['after the subscription that kept it alive, unref()ed', '1\n2\n3\n'],
    close: ['after close()', 'closed\n'],
    dispose: ['after Symbol.asyncDispose', 'closed\n'],
  };
  for (const [mode, [when, stdout]] of Object.entries(endings)) {
    test(when, async (t) => assert.deepEqual(await client(t, mode).ended, { code: 0, signal: null, stdout, stderr: '' }));
  }
  test('after connect() has failed', async (t) => {
    assert.deepEqual(await client(t, 'failed', 'tcp://127.0.0.1:9').ended, { code: 0, signal: null, stdout: 'UNAVAILABLE\n', stderr: '' });
  });
});

test('an idle connection keeps the process alive, also one that was ref()ed again', { timeout: 60_000 }, async (t) => {
  for (const mode of ['idle', 'refAgain']) {
    const opened = once(head, 'session');
    const program = client(t, mode, head.address.replace('alknet:', 'tls:'));
    await program.line(/idle/);
    // It answers its head, again and again, so it has neither ended nor hung.
    const [session] = await opened; // which may be told later to us than to it
    for (let i = 0; i < 20; i++) await assert.rejects(session.call('/no/such'), fails('NOT_FOUND'));
    assert.equal(program.over, undefined);
    program.kill('SIGTERM');
    assert.equal((await program.ended).signal, 'SIGTERM');
  }
});

test('the end of its only session ends a program that does not reconnect', { timeout: 60_000 }, async (t) => {
  const opened = once(head, 'session');
  const program = client(t, 'once');
  await program.line(/idle/);
  (await opened)[0].close();
  assert.deepEqual(await program.ended, { code: 0, signal: null, stdout: 'idle\nclose UNAVAILABLE\n', stderr: '' });
});

// The head is told: over QUIC it would notice by itself after 30 s.
test('process.exit() in mid-call keeps its code, and ends its session', { timeout: 20_000 }, async (t) => {
  for (let i = 0; i < 5; i++) {
    const closed = once(head, 'sessionClosed');
    assert.deepEqual(await client(t, 'exit').ended, { code: 7, signal: null, stdout: '', stderr: '' });
    assert.equal((await closed)[0].transport, 'quic');
  }
});

test('an uncaught exception of the application keeps its meaning', { timeout: 60_000 }, async (t) => {
  for (const mode of ['uncaught', 'uncaughtInListener']) {
    const { code, signal, stderr } = await client(t, mode).ended;
    assert.deepEqual([code, signal], [1, null]);
    assert.match(stderr, /Error: of the application\n\s+at .*client\.mjs/);
  }
  const { code, stdout, stderr } = await client(t, 'caught').ended;
  assert.deepEqual([code, stdout.split('\n').sort(), stderr], [5, ['', 'caught of the application', 'closed'], '']);
});

test('close is idempotent, waits for the end, and emits one event', async () => {
  const node = await connect(head.address, { key: key() });
  const server = await serve({ listen: 'tcp://127.0.0.1:0' });
  for (const each of [node, server]) {
    let closes = 0;
    each.on('close', (error) => {
      assert.equal(error, undefined);
      closes++;
    });
    assert.equal(each.closed, false);
    const first = each.close(), second = each.close({ drain: 0 });
    assert.equal(await first, undefined);
    assert.equal(each.closed, true);
    await second;
    await each.close();
    await each[Symbol.asyncDispose]();
    assert.equal(closes, 1);
    assert.equal(each.ref().unref().ref(), each, 'ref() of what is closed does nothing');
    await assert.rejects(each.handle('/a/b', () => 1), fails('UNAVAILABLE'));
  }
  assert.throws(() => node.close({ drain: -1 }), RangeError);
  await assert.rejects(node.call('/echo/echo'), fails('UNAVAILABLE', 'closed'));
  await assert.rejects(connect(server.address, { key: key() }), fails('UNAVAILABLE'));
});

test('close() lets a call finish for its drain, and not longer', { timeout: 60_000 }, async () => {
  const server = await serve({ listen: '127.0.0.1:0', authorizedKeys: [clientKey.publicKey] });
  let begin, finish;
  const begun = new Promise((resolve) => { begin = resolve; });
  await server.handle('/slow/call', () => new Promise((resolve) => { finish = resolve; begin(); }));
  const caller = await connect(server.address, { key: key(), reconnect: false });
  const call = caller.call('/slow/call');
  await begun;
  const closed = server.close({ drain: 60_000 });
  // It drains now: nothing new is taken, and what runs goes on.
  await assert.rejects(async () => { for (;;) await caller.call('/echo/echo'); }, fails('UNAVAILABLE'));
  finish('done');
  assert.equal(await call, 'done');
  await closed;

  const impatient = await serve({ listen: '127.0.0.1:0', authorizedKeys: [clientKey.publicKey] });
  const aborted = new Promise((resolve) => {
    impatient.handle('/slow/call', (_, { signal }) => new Promise(() => signal.addEventListener('abort', () => resolve(signal.reason.code))));
  });
  const other = await connect(impatient.address, { key: key(), reconnect: false });
  const cut = other.call('/slow/call');
  await other.call('/echo/echo');
  await Promise.all([impatient.close({ drain: 0 }), assert.rejects(cut, fails('UNAVAILABLE')), once(other, 'close')]);
  assert.equal(await aborted, 'UNAVAILABLE');
});

test('a signal aborts connect() and serve(), before and while they open', { timeout: 60_000 }, async () => {
  const reason = new Error('enough');
  const mine = (error) => error === reason;
  await assert.rejects(connect(head.address, { key: key(), signal: AbortSignal.abort(reason) }), mine);
  await assert.rejects(serve({ listen: '127.0.0.1:0', signal: AbortSignal.abort(reason) }), mine);
  // Something that accepts and never says a word.
  const silent = net.createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const connected = once(silent, 'connection');
  const controller = new AbortController();
  const opening = connect(`tcp://127.0.0.1:${silent.address().port}`, { key: key(), signal: controller.signal });
  const [socket] = await connected;
  const gone = once(socket.resume(), 'close');
  controller.abort(reason);
  await assert.rejects(opening, mine);
  await gone; // nothing is left of the attempt
  silent.close();
  // Whichever comes first: it settles, and what was opened is closed again.
  for (let i = 0; i < 50; i++) {
    const early = new AbortController();
    const attempt = i % 2 ? connect(head.address, { key: key(), signal: early.signal }) : serve({ listen: 'tcp://127.0.0.1:0', signal: early.signal });
    setTimeout(() => early.abort(reason), i / 10);
    await attempt.then((node) => node.close(), (error) => assert.equal(error, reason));
  }
});

test('connect() gives up after its timeout', async () => {
  const silent = net.createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  for (const scheme of ['tcp', 'tls', 'quic']) {
    await assert.rejects(connect(`${scheme}://127.0.0.1:${silent.address().port}`, { key: key(), timeout: 100, insecure: true }), fails('TIMEOUT'));
  }
  silent.close();
});

test('a session that the head ends at once leaves no connect() waiting', { timeout: 60_000 }, async () => {
  const hostile = await serve({ listen: 'tcp://127.0.0.1:0', authorizedKeys: [clientKey.publicKey] });
  hostile.on('session', (session) => session.close());
  await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    let node;
    try {
      node = await connect(hostile.address, { key: key(), reconnect: i % 2 === 0 });
    } catch (error) {
      assert.ok(fails('UNAVAILABLE')(error));
      return;
    }
    // The loss is told to whoever listens now, however early it came.
    if (!node.closed) await once(node, i % 2 === 0 ? 'disconnect' : 'close');
    await node.close();
  }));
  await hostile.close();
});

// The engine may tell of the opening and of the end in one batch, before the promise of
// connect() or serve() has reached the application.
test('events from the moment of opening wait until the application can listen', { timeout: 20_000 }, async () => {
  const opening = connect(head.address, { key: key() });
  const opened = [...engine.nodes.values()].at(-1);
  opened[kOpened] = function (told) {
    delete this[kOpened];
    this[kOpened](told);
    this[kDisconnected]({ code: 'UNAVAILABLE', message: 'first' });
    this[kReconnected](told);
  };
  const node = await opening;
  const seen = [];
  node.on('disconnect', (error) => seen.push(error.message));
  await once(node, 'reconnect');
  seen.push('reconnect');
  assert.deepEqual(seen, ['first', 'reconnect']);
  assert.equal(node.endpointId, head.endpointId);
  await node.close();
});

test('a hundred connections, with keys, in one turn', { timeout: 60_000 }, async () => {
  const address = head.address.replace('alknet:', 'tls:');
  const nodes = await Promise.all(Array.from({ length: 100 }, () => connect(address, { key: key() })));
  assert.equal(new Set(nodes.map((node) => node.identity.id)).size, 1);
  await Promise.all(nodes.map((node) => node.close()));
});

test('nothing listens: UNAVAILABLE, over each transport that can tell', { timeout: 60_000 }, async () => {
  const free = net.createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address();
  await new Promise((resolve) => free.close(resolve));
  for (const address of [`tcp://127.0.0.1:${port}`, `tls://127.0.0.1:${port}`, `alknet://${clientKey.endpointId}@127.0.0.1:${port}`]) {
    await assert.rejects(connect(address, { key: key() }), fails('UNAVAILABLE', 'connection refused'));
  }
  await assert.rejects(connect(`unix://${path.join(folder, 'none')}`, { key: key() }), fails('UNAVAILABLE', 'no such file'));
});

test('a taken port: serve() fails with UNAVAILABLE and keeps none of its addresses', async () => {
  for (const scheme of ['', 'quic://', 'tls://', 'tcp://']) {
    const taken = await serve({ listen: `${scheme}127.0.0.1:0` });
    const port = taken.address.split(':').at(-1);
    const socket = path.join(folder, `socket${port}`);
    await assert.rejects(serve({ listen: [`unix://${socket}`, `${scheme}127.0.0.1:${port}`] }), fails('UNAVAILABLE', 'address already in use'));
    assert.ok(!fs.existsSync(socket));
    await taken.close();
    await (await serve({ listen: `${scheme}127.0.0.1:${port}` })).close();
  }
  const file = path.join(folder, 'file');
  fs.writeFileSync(file, 'mine');
  await assert.rejects(serve({ listen: `unix://${file}` }), fails('UNAVAILABLE'));
  assert.equal(fs.readFileSync(file, 'utf8'), 'mine', 'a file that is no socket stays');
});

test('mistakes in addresses: INVALID_INPUT with what was wrong', async () => {
  for (const [address, text] of [
    ['', 'has no scheme'], ['127.0.0.1:1', 'has no scheme'], ['http://a', '"http"'], ['alknet://', 'names no host'], ['alknet://zzz@host', 'endpoint id'],
    ['tcp://host:99999', '99999'], ['tcp://host:1/path', 'nothing may follow'], ['unix://relative', 'absolute'], [`unix:///${'x'.repeat(200)}`, '103'],
    ['tcp://host:1\n', ''], ['alknet://8nuyJMUXtr4244PBZjdn7NaWh6k81o3kosz1JFPBD2n0@host', 'endpoint id'],
  ]) {
    await assert.rejects(connect(address, { key: key() }), fails('INVALID_INPUT', text), address);
  }
  await assert.rejects(connect(), TypeError);
  await assert.rejects(connect(head.address, { kee: key() }), (error) => error instanceof TypeError && /did you mean "key"/.test(error.message));
  await assert.rejects(serve({ listen: 5 }), TypeError);
  for (const listen of ['nonsense', 'http://127.0.0.1:0', '127.0.0.1:99999']) await assert.rejects(serve({ listen }), (error) => error instanceof AlknetError && error.message.includes(listen.replace('http://', '')), listen);
});

test('a wrong pin names both fingerprints, and is final for a first connect', { timeout: 60_000 }, async () => {
  const other = generateKey('other');
  for (const scheme of ['alknet', 'quic', 'tls']) {
    await assert.rejects(connect(`${scheme}://${other.endpointId}@${hostPort()}`, { key: key() }), (error) => fails('UNAUTHENTICATED', other.fingerprint)(error) && error.message.includes(head.fingerprint) && !error.retryable);
  }
  // A node that was connected tries again: another one may stand at the address for a moment.
  const first = await serve({ listen: 'tls://127.0.0.1:0', authorizedKeys: [clientKey.publicKey] });
  const node = await connect(first.address, { key: key() });
  const told = new Promise((resolve) => node.on('log', (record) => { if (record.message === 'reconnect failed' && record.level === 'error') resolve(JSON.stringify(record)); }));
  const listen = first.address.replace(/\/\/[^@]*@/, '//');
  await first.close();
  let sessions = 0;
  const second = await serve({ listen, authorizedKeys: [clientKey.publicKey] });
  second.on('session', () => sessions++);
  const record = await told;
  assert.ok(record.includes(first.fingerprint) && record.includes(second.fingerprint), record);
  assert.equal(node.closed, false);
  assert.equal(sessions, 0);
  await second.close();
  await node.close();
});

test('an unknown key, no key and a token that does not verify are refused', { timeout: 60_000 }, async () => {
  const stranger = generateKey('stranger');
  for (const scheme of ['alknet', 'quic', 'tls']) {
    const address = `${scheme}://${head.endpointId}@${hostPort()}`;
    await assert.rejects(connect(address, { key: Buffer.from(stranger.privateKey) }), fails('UNAUTHENTICATED', stranger.fingerprint));
    await assert.rejects(connect(address), fails('UNAUTHENTICATED'));
    await assert.rejects(connect(address, { token: 'x'.repeat(139) }), fails('UNAUTHENTICATED'));
  }
  const plain = await serve({ listen: 'tcp://127.0.0.1:0', authorizedKeys: [clientKey.publicKey] });
  await assert.rejects(connect(plain.address, { key: Buffer.from(stranger.privateKey) }), fails('UNAUTHENTICATED'));
  await assert.rejects(connect(plain.address), fails('UNAUTHENTICATED'));
  const open = await serve({ listen: '127.0.0.1:0', allowAnonymous: true });
  for (const options of [{}, { key: Buffer.from(stranger.privateKey) }]) {
    const node = await connect(open.address, options);
    assert.equal(node.identity, null);
    assert.equal(await node.call('/echo/echo', 1), 1);
    await node.close();
  }
  await Promise.all([plain.close(), open.close()]);
});

test('keys: files, bytes, passphrases, and one clear sentence for what is none', async () => {
  const file = path.join(folder, 'key');
  fs.writeFileSync(file, clientKey.privateKey, { mode: 0o600 });
  const node = await connect(head.address, { key: file });
  assert.equal(node.identity.id, publicKey(clientKey.publicKey).fingerprint);
  await node.close();
  const open = path.join(folder, 'open');
  fs.writeFileSync(open, clientKey.privateKey);
  fs.chmodSync(open, 0o644);
  const refused = (options, kind, text) => assert.rejects(connect(head.address, options), (error) => (kind === AlknetError ? fails('INVALID_INPUT', text)(error) : error instanceof kind && error.message.includes(text)));
  await refused({ key: open }, AlknetError, `key file ${open} can be read by others`);
  await refused({ key: folder }, AlknetError, 'is a directory');
  await refused({ key: path.join(folder, 'none') }, AlknetError, 'no such file');
  await refused({ key: Buffer.alloc(0) }, AlknetError, 'is empty');
  await refused({ key: Buffer.from('junk') }, AlknetError, 'not a private key');
  await refused({ key: 5 }, TypeError, 'must be a path or a Uint8Array');
  await refused({ passphrase: 'x' }, TypeError, 'needs the option key');
  await refused({ key: file, passphrase: 5 }, TypeError, 'passphrase');
  await refused({ key: Buffer.alloc(70_000) }, RangeError, '70000 bytes');
  // Many mistakes leave room for the next key.
  for (let i = 0; i < 200; i++) await refused({ key: key(), passphrase: 'x'.repeat(70_000) }, RangeError, '70000 bytes');
  await (await connect(head.address, { key: key() })).close();
});
