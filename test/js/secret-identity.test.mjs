// Nodes whose key is in a store: handshakes and tokens are signed there.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { SecretStore, connect, generateKey, serve } from '../../lib/index.mjs';
import { PHRASE, code, unlocked, utf8 } from './fixtures/secrets.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'alknet-'));
after(() => rmSync(folder, { recursive: true }));

const listens = { quic: 'quic://127.0.0.1:0', tls: 'tls://127.0.0.1:0', tcp: 'tcp://127.0.0.1:0', unix: `unix://${path.join(folder, 's')}`, both: '127.0.0.1:0' };

for (const [name, listen] of Object.entries(listens)) {
  test(`both sides have their keys in stores, over ${name}`, { timeout: 60_000 }, async () => {
    // Not exportable: the private keys cannot have left.
    const mine = await unlocked(PHRASE, '', { exportable: false });
    const theirs = await unlocked(PHRASE, 'another', { exportable: false });
    const identity = mine.identity();
    const server = await serve({ listen, identity: theirs.identity({ path: "m/74'/0'/0'/1'" }), authorizedKeys: [identity.publicKey] });
    assert.equal(server.endpointId, theirs.identity({ path: "m/74'/0'/0'/1'" }).endpointId);
    assert.ok(server.address.includes(server.endpointId));
    const client = await connect(server.address, { identity });
    assert.equal(client.identity.id, identity.fingerprint);
    assert.equal(client.endpointId, server.endpointId);
    assert.equal(await client.call('/echo/echo', name), name);

    // Locked: what is open goes on, and nothing new begins.
    mine.lock();
    assert.equal(await client.call('/echo/echo', 1), 1);
    await assert.rejects(connect(server.address, { identity }), code('LOCKED'));
    // The same key signs again when the same phrase is back, and no other one does.
    await mine.unlock(utf8(PHRASE), { passphrase: utf8('wrong') });
    await assert.rejects(connect(server.address, { identity }), code('LOCKED'));
    mine.lock();
    await mine.unlock(utf8(PHRASE));
    const second = await connect(server.address, { identity });
    assert.equal(second.identity.id, identity.fingerprint);
    await second.close();
    await client.close();
    await server.close();
  });
}

test('a connection that comes back to a locked store is closed with LOCKED', { timeout: 60_000 }, async () => {
  const store = await unlocked(PHRASE);
  const server = await serve({ listen: 'tls://127.0.0.1:0', authorizedKeys: [store.identity().publicKey] });
  const client = await connect(server.address, { identity: store.identity() });
  const lost = once(client, 'disconnect');
  const closed = once(client, 'close');
  store.lock();
  server.sessions[0].close();
  const [why] = await lost;
  assert.equal(why.code, 'UNAVAILABLE');
  const [error] = await closed;
  assert.ok(code('LOCKED')(error), String(error));
  assert.ok(client.closed);
  await assert.rejects(client.call('/echo/echo', 1), code('UNAVAILABLE'));
  await server.close();
});

test('a connection that comes back to a store that was unlocked again goes on', { timeout: 60_000 }, async () => {
  const store = await unlocked(PHRASE);
  const server = await serve({ listen: 'tls://127.0.0.1:0', authorizedKeys: [store.identity().publicKey] });
  const client = await connect(server.address, { identity: store.identity() });
  const back = once(client, 'reconnect');
  store.lock();
  await store.unlock(utf8(PHRASE));
  server.sessions[0].close();
  await back;
  assert.equal(await client.call('/echo/echo', 1), 1);
  await client.close();
  await server.close();
});

test('lock({ disconnect: true }) closes what has its identity from the store, and nothing else', { timeout: 60_000 }, async () => {
  const store = await unlocked(PHRASE);
  const other = await unlocked(PHRASE, 'other');
  const key = generateKey();
  const server = await serve({ listen: '127.0.0.1:0', identity: other.identity(), authorizedKeys: [store.identity().publicKey, key.publicKey] });
  const mine = await connect(server.address, { identity: store.identity() });
  const untouched = await connect(server.address, { key: Buffer.from(key.privateKey) });
  const closed = once(mine, 'close');
  store.lock({ disconnect: true });
  const [error] = await closed;
  assert.ok(code('LOCKED')(error), String(error));
  assert.equal(await untouched.call('/echo/echo', 1), 1);

  // A server loses its sessions and goes on listening.
  const lost = once(untouched, 'disconnect');
  const ended = once(server, 'sessionClosed');
  other.lock({ disconnect: true });
  await Promise.all([lost, ended]);
  assert.deepEqual(server.sessions, []);
  assert.equal(server.closed, false);
  const warned = new Promise((resolve) => { server.on('log', ({ message }) => /this node's identity does not sign/.test(message) && resolve()); });
  await assert.rejects(connect(server.address, { key: Buffer.from(key.privateKey), timeout: 1000 }));
  await warned;
  await other.unlock(utf8(PHRASE), { passphrase: utf8('other') });
  const again = await connect(server.address, { key: Buffer.from(key.privateKey) });
  assert.equal(again.endpointId, server.endpointId);
  await again.close();
  await untouched.close();
  await server.close();
});

test('a connect under way ends with LOCKED when the store is locked and disconnected', { timeout: 60_000 }, async () => {
  const store = await unlocked(PHRASE);
  const silent = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const accepted = once(silent, 'connection');
  const connecting = connect(`tls://127.0.0.1:${silent.address().port}`, { identity: store.identity(), insecure: true });
  connecting.catch(() => {});
  const [socket] = await accepted;
  store.lock({ disconnect: true });
  await assert.rejects(connecting, code('LOCKED'));
  socket.destroy();
  silent.close();
});

test('serve with a locked store is LOCKED; a disposed store is CLOSED', { timeout: 60_000 }, async () => {
  const store = await unlocked(PHRASE);
  const identity = store.identity();
  store.lock();
  await assert.rejects(serve({ listen: '127.0.0.1:0', identity }), code('LOCKED'));
  assert.throws(() => store.identity(), code('LOCKED'));
  store.dispose();
  await assert.rejects(serve({ listen: '127.0.0.1:0', identity }), code('CLOSED'));
  assert.throws(() => store.identity(), code('CLOSED'));
});

test('wrong options', async () => {
  const store = await unlocked(PHRASE);
  const identity = store.identity();
  await assert.rejects(connect('127.0.0.1:1', { identity, key: '/nowhere' }), TypeError);
  await assert.rejects(connect('127.0.0.1:1', { identity, passphrase: 'x' }), TypeError);
  for (const wrong of [null, {}, 'm', store, new SecretStore()]) {
    await assert.rejects(connect('127.0.0.1:1', { identity: wrong }), TypeError);
    await assert.rejects(serve({ identity: wrong }), TypeError);
  }
});
