// context.session is the other side of the session, whoever is calling through it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, generateKey, SecretStore, serve } from '../../lib/index.mjs';

test('of a worker its head, of a server the client; context.identity is the caller', { timeout: 60_000 }, async (t) => {
  const [worker, x, y] = ['worker', 'x', 'y'].map((name) => generateKey(name));
  const head = await serve({ listen: 'tls://127.0.0.1:0', authorizedKeys: [`scopes="node:register" ${worker.publicKey}`, x.publicKey, y.publicKey] });
  t.after(() => head.close({ drain: 0 }));
  const sessions = new Set();
  const who = (_, { identity, session }) => {
    sessions.add(session);
    return { caller: identity?.id ?? null, session: session.identity?.id ?? null, peer: session.endpointId, transport: session.transport };
  };
  await head.handle('/who/am', who);
  const node = await connect(head.address, { key: Buffer.from(worker.privateKey), peerScopes: ['of-the-head'] });
  t.after(() => node.close());
  await node.handle('/who/am', who);
  await node.join('w');

  for (const key of [x, y, x]) {
    const client = await connect(head.address, { key: Buffer.from(key.privateKey) });
    sessions.clear();
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(await client.call('/w/who/am'), { caller: key.fingerprint, session: head.fingerprint, peer: head.endpointId, transport: 'tls' });
    }
    assert.equal(sessions.size, 1, 'one session object for all requests');
    assert.deepEqual([...sessions][0].identity.scopes, ['of-the-head']);
    sessions.clear();
    assert.deepEqual(await client.call('/who/am'), { caller: key.fingerprint, session: key.fingerprint, peer: key.endpointId, transport: 'tls' });
    assert.ok(head.sessions.includes([...sessions][0]), 'the session object that the server lists');
    await client.close();
  }
});

test('of a server, also when the first request comes under another identity', { timeout: 60_000 }, async (t) => {
  const store = new SecretStore();
  t.after(() => store.dispose());
  await store.create();
  const [x, y] = [generateKey('x'), (await store.derive("m/74'/3'/1'"))];
  const other = await store.sshPublicKey({ path: y.path });
  const head = await serve({ listen: 'tls://127.0.0.1:0', authorizedKeys: [x.publicKey, other] });
  t.after(() => head.close({ drain: 0 }));
  await head.handle('/who/am', (_, { identity, session }) => [identity.id, session.identity.id]);
  for (let i = 0; i < 10; i++) {
    const client = await connect(head.address, { key: Buffer.from(x.privateKey) });
    const [caller, session] = await client.call('/who/am', null, { authToken: store.authTokenSync({ path: y.path }) });
    assert.notEqual(caller, x.fingerprint);
    assert.equal(session, x.fingerprint);
    await client.close();
  }
});
