// Nodes that join a head, and handlers that invoke other operations.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { AlknetError, connect, generateKey, serve } from '../../lib/index.mjs';

const keys = Object.fromEntries(['dev1', 'dev2', 'user', 'stranger', 'mid'].map((name) => [name, generateKey(name)]));
const authorizedKeys = [
  `scopes="node:register:dev1" ${keys.dev1.publicKey}`, `scopes="node:register:dev2,fs:read" ${keys.dev2.publicKey}`,
  `scopes="fs:read,x" ${keys.user.publicKey}`, keys.stranger.publicKey, `scopes="node:register:mid" ${keys.mid.publicKey}`,
];
const fails = (code) => (error) => error instanceof AlknetError && error.code === code;
const key = (name) => Buffer.from(keys[name].privateKey);

let head, user;
before(async () => {
  head = await serve({ listen: '127.0.0.1:0', authorizedKeys, access: [{ path: '/*/secret/*', scopes: ['admin'] }] });
  user = await connect(head.address, { key: key('user') });
});
after(async () => {
  await user.close();
  await head.close();
});

const worker = (name, options) => connect(head.address, { key: key(name), ...options });
const who = (_, { identity, forwardedFor, handlerIdentity, parentRequestId, metadata, deadline }) => ({ identity, forwardedFor, handlerIdentity, parentRequestId, metadata, deadline });
const readers = { accessControl: { requiredScopes: ['fs:read'] } };

test('others call what a node offers under its name, as themselves', async () => {
  const dev1 = await worker('dev1');
  await dev1.handle({ name: '/fs/who', ...readers }, who);
  await dev1.handle({ name: '/fs/count', type: 'subscription' }, async function* ({ to }) { for (let i = 0; i < to; i++) yield i; });
  await dev1.handle({ name: '/fs/hidden', visibility: 'internal' }, () => 1);
  await dev1.handle('/secret/read', () => 1);
  await dev1.join('dev1');
  const seen = await user.call('/dev1/fs/who', null, { metadata: { traceparent: '00-1' }, timeout: 5000 });
  assert.deepEqual(seen.identity, user.identity);
  assert.deepEqual(seen.forwardedFor, user.identity);
  assert.deepEqual(seen.handlerIdentity, { id: 'handler:/fs/who', scopes: [] });
  assert.deepEqual(seen.metadata, { traceparent: '00-1' });
  assert.ok(seen.deadline > Date.now());
  let next = 0;
  for await (const n of user.subscribe('/dev1/fs/count', { to: 5000 }, { window: 32 })) assert.equal(n, next++);
  assert.equal(next, 5000);
  for (const [operation, code] of [['/dev1/fs/hidden', 'NOT_FOUND'], ['/dev2/fs/who', 'NOT_FOUND'], ['/dev1/secret/read', 'FORBIDDEN']]) {
    await assert.rejects(user.call(operation), fails(code), operation);
  }
  const names = (await user.services()).map(({ name }) => name);
  assert.ok(names.includes('/dev1/fs/who') && !names.includes('/dev1/fs/hidden') && !names.includes('/dev1/secret/read'));
  assert.equal((await user.schema('/dev1/fs/who')).name, '/dev1/fs/who');
  assert.deepEqual((await user.call('/head/nodes/list')).nodes.map(({ node, identity }) => [node, identity]), [['dev1', keys.dev1.fingerprint]]);

  // What is handled later can be called when handle() has resolved, and withdrawn.
  await dev1.handle('/late/op', () => 'late');
  assert.equal(await user.call('/dev1/late/op'), 'late');
  dev1.unhandle('/late/op');
  await assert.rejects(user.call('/dev1/late/op'), fails('NOT_FOUND'));
  await assert.rejects(dev1.handle({ name: '/late/large', description: 'x'.repeat(300_000) }, () => 1), fails('INVALID_INPUT'));
  await dev1.handle('/late/large', () => 'small'); // what the head refused is not held here either

  await assert.rejects(dev1.join('dev1'), fails('CONFLICT'));
  await dev1.leave();
  await assert.rejects(user.call('/dev1/fs/who'), fails('NOT_FOUND'));
  assert.ok((await dev1.call('/head/nodes/list')).nodes.length === 0);
  await dev1.close();
});

test('joining is refused where it must be', async () => {
  const dev1 = await worker('dev1');
  for (const name of ['', 'Dev', 'head', 'services', '-a', 'a/b', 'x'.repeat(64)]) assert.throws(() => dev1.join(name), TypeError, name);
  assert.throws(() => dev1.join('dev1', { timeOut: 1 }), TypeError);
  await assert.rejects(dev1.join('dev2'), fails('FORBIDDEN'));
  await assert.rejects(dev1.join('dev1', { signal: AbortSignal.abort(new Error('no')) }), /no/);
  await dev1.close();
  await assert.rejects(dev1.join('dev1'), fails('UNAVAILABLE'));
  const unpinned = await connect(head.address.replace(/\/\/.*@/, '//'), { key: key('dev1'), insecure: true });
  await assert.rejects(unpinned.join('dev1'), fails('FORBIDDEN'));
  await unpinned.close();
});

test('the name goes to a newer session of the same key, and comes back after a reconnect', async () => {
  const first = await worker('dev1');
  await first.handle('/a/first', () => 1);
  await first.join('dev1');
  const left = once(first, 'left');
  const second = await worker('dev1');
  await second.handle('/a/second', () => 2);
  await second.join('dev1');
  const [error] = await left;
  assert.ok(fails('CONFLICT')(error));
  assert.equal(await user.call('/dev1/a/second'), 2);
  await assert.rejects(user.call('/dev1/a/first'), fails('NOT_FOUND'));

  const back = once(second, 'reconnect');
  for (const session of head.sessions) if (session.identity.id === keys.dev1.fingerprint) session.close();
  await back;
  for (;;) {
    const answer = await user.call('/dev1/a/second').catch((error) => error);
    if (answer === 2) break;
    assert.ok(fails('NOT_FOUND')(answer), answer); // it is registered a moment after it is connected
  }
  await Promise.all([first.close(), second.close()]);
});

test('a handler invokes what it may, under its own identity, and cannot tell where it is', async () => {
  const dev1 = await worker('dev1');
  await dev1.handle({ name: '/fs/who', ...readers }, who);
  await dev1.handle('/fs/open', who);
  await dev1.join('dev1');
  await head.handle({ name: '/local/who', ...readers }, who);
  await head.handle({ name: '/local/hidden', visibility: 'internal' }, who);
  const reader = { id: 'agent', scopes: ['fs:read'] };
  for (const [options, namespace, op, want] of [
    [undefined, 'local', 'who', 'NOT_FOUND'], [{ reach: ['/local/other'] }, 'local', 'who', 'NOT_FOUND'], [{ reach: ['/local/who'] }, 'local', 'who', 'FORBIDDEN'],
    [{ reach: ['/local/*'], identity: reader }, 'local', 'who', 'agent'], [{ reach: ['/local/*'] }, 'local', 'hidden', 'handler:/c/op'],
    [{ reach: ['/*/fs/*'] }, 'dev1/fs', 'who', 'FORBIDDEN'], [{ reach: ['/dev1/fs/who'], identity: reader }, 'dev1/fs', 'who', 'agent'], [{ reach: ['/dev1/**'] }, 'dev1/fs', 'open', 'handler:/c/op'],
    [{ reach: ['/**'], identity: reader }, 'dev1/fs', 'none', 'NOT_FOUND'], [{ reach: ['/**'], identity: reader }, 'dev9/fs', 'who', 'NOT_FOUND'],
    [{ reach: ['/**'], identity: reader }, 'dev1/secret', 'read', 'NOT_FOUND'],
  ]) {
    await head.handle('/c/op', (input, context) => context.invoke(namespace, op, input), options);
    const answer = await user.call('/c/op', 1, { metadata: { traceparent: '00-2' } }).catch((error) => error);
    const where = `${JSON.stringify(options)} ${namespace} ${op}`;
    if (/^[A-Z_]+$/.test(want)) assert.ok(fails(want)(answer), `${where}: ${answer}`);
    else {
      assert.equal(answer.identity?.id, want, where);
      assert.ok(answer.parentRequestId, where);
      assert.deepEqual(answer.metadata, { traceparent: '00-2' }, where);
    }
    head.unhandle('/c/op');
  }
  // On a worker: its own operations, and what the head has, as this node.
  await dev1.handle('/c/up', (_, context) => context.invoke('local', 'up'), { reach: ['/local/up'] });
  await head.handle('/local/up', who);
  assert.equal((await user.call('/dev1/c/up')).identity.id, keys.dev1.fingerprint);
  for (const bad of [{ identity: 'x' }, { identity: { scope: [] } }, { reach: '/a/b' }, { reaches: [] }]) assert.throws(() => head.handle('/c/bad', () => 1, bad), TypeError);
  await assert.rejects(head.handle('/c/bad', () => 1, { reach: ['a/b'] }), fails('INVALID_INPUT'));
  await head.handle('/c/wrong', (_, context) => {
    assert.throws(() => context.invoke('a', 'b c'), TypeError);
    assert.throws(() => context.invoke('a', 'b', 1, { authToken: 'x' }), TypeError);
    return context.invoke('local', 'who', 1, { timeout: 1000 });
  }, { reach: ['/local/who'], identity: reader });
  assert.equal((await user.call('/c/wrong')).identity.id, 'agent');
  await dev1.close();
});

test('what a handler invokes ends with its request, unless it continues; deadlines only shrink', async () => {
  const dev1 = await worker('dev1');
  const ended = [];
  let started = 0;
  let running;
  const hang = (name) => (_, { signal, deadline }) => new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => { ended.push([name, signal.reason.code, deadline !== undefined]); reject(signal.reason); running?.(); });
    started++;
    running?.();
  });
  const until = async (condition) => { while (!condition()) await new Promise((resolve) => { running = resolve; }); };
  await dev1.handle('/w/leaf', hang('remote leaf'));
  await dev1.handle('/w/mid', (_, context) => context.invoke('w', 'leaf'), { reach: ['/w/leaf'] });
  await dev1.join('dev1');
  await head.handle('/t/leaf', hang('local leaf'));
  let release;
  let finished = false;
  await head.handle('/t/long', async (_, context) => {
    started++;
    running?.();
    await new Promise((resolve) => { release = resolve; });
    finished = !context.signal.aborted && context.deadline === undefined;
    running?.();
  });
  let events = 0;
  await head.handle({ name: '/t/events', type: 'subscription' }, async function* () {
    try { for (;;) yield events++; } finally { ended.push(['events']); running?.(); }
  });
  await head.handle('/t/root', (_, context) => {
    context.invoke('t', 'long', null, { continueRunning: true }).catch(() => {});
    const stream = context.subscribe('t', 'events', null, { window: 4 });
    return Promise.all([context.invoke('t', 'leaf', null, { timeout: 60_000 }), context.invoke('dev1/w', 'mid'), stream.next()]);
  }, { reach: ['/t/*', '/dev1/w/mid'] });
  const controller = new AbortController();
  const call = user.call('/t/root', null, { signal: controller.signal, timeout: 30_000 });
  await until(() => started === 3 && events > 0);
  controller.abort(new Error('enough'));
  await assert.rejects(call, /enough/);
  await until(() => ended.length === 3);
  assert.deepEqual(ended.sort(), [['events'], ['local leaf', 'ABORTED', true], ['remote leaf', 'ABORTED', true]]);
  assert.ok(events < 20, `${events} events for a reader with a window of 4`);
  release();
  await until(() => finished);
  await head.handle('/t/after', (_, context) => { setImmediate(() => { context.invoke('t', 'leaf').catch((error) => { ended.push([error.code]); running?.(); }); }); }, { reach: ['/t/leaf'] });
  await user.call('/t/after');
  await until(() => ended.length === 4);
  assert.deepEqual(ended[3], ['ABORTED']);
  await dev1.close();
});

test('a head that is a worker of another head', async () => {
  const mid = await serve({ listen: '127.0.0.1:0', key: key('mid'), authorizedKeys: [`scopes="node:register" ${keys.dev1.publicKey}`] });
  const up = await connect(head.address, { key: key('mid'), head: mid });
  await up.join('mid');
  await mid.handle('/m/who', who);
  const dev1 = await connect(mid.address, { key: key('dev1') });
  await dev1.handle({ name: '/x/who', ...readers }, who);
  await dev1.handle({ name: '/x/count', type: 'subscription' }, async function* () { for (let i = 0; i < 1000; i++) yield i; });
  const seen = [];
  const watching = (async () => { for await (const { node } of user.subscribe('/head/nodes/watch', { snapshot: true })) { seen.push(node.operations); if (seen.at(-1) === 6) return; } })();
  await dev1.join('dev');
  await watching; // /node/info, /echo/echo, /clock/ticks, /m/who and two of dev
  assert.equal((await user.call('/mid/m/who')).forwardedFor.id, keys.user.fingerprint);
  assert.equal((await user.call('/mid/dev/x/who')).forwardedFor.id, keys.user.fingerprint);
  let next = 0;
  for await (const n of user.subscribe('/mid/dev/x/count', null, { window: 8 })) assert.equal(n, next++);
  assert.equal(next, 1000);
  const stranger = await connect(head.address, { key: key('stranger') });
  await assert.rejects(stranger.call('/mid/dev/x/who'), fails('FORBIDDEN'));
  await assert.rejects(connect(head.address, { key: key('mid'), head: {} }), TypeError);
  await Promise.all([stranger.close(), dev1.close(), up.close()]);
  await mid.close();
  await assert.rejects(connect(head.address, { key: key('mid'), head: mid }), fails('INVALID_INPUT'));
});
