// Callbacks run in the async context in which the application gave them.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect, SecretStore, serve } from '../../lib/index.mjs';

test('handlers, listeners and abort listeners run in the context of their registration', { timeout: 60_000 }, async (t) => {
  const storage = new AsyncLocalStorage();
  const seen = new Map();
  const see = (what) => seen.set(what, (seen.get(what) ?? new Set()).add(storage.getStore() ?? 'none'));

  // Whoever uses the package first must not lend its context to the rest.
  await storage.run('first', async () => {
    const store = new SecretStore();
    store.on('audit', () => see('audit'));
    storage.run('other', () => store.once('audit', () => see('audit once')));
    await store.create();
    store.lock();
    store.dispose();
  });
  const head = await serve({ listen: 'tls://127.0.0.1:0', allowAnonymous: true });
  t.after(() => head.close({ drain: 0 }));
  head.on('session', () => see('session'));
  storage.run('listener', () => head.on('handlerError', () => see('handlerError')));
  await head.handle('/x/outside', () => see('outside'));
  await storage.run('owner', () => head.handle('/x/inside', async () => {
    see('inside');
    await undefined;
    see('inside later');
  }));
  await head.handle('/x/fails', () => { throw new Error('x'); });
  await head.handle({ name: '/x/events', type: 'subscription' }, async function* () {
    see('events');
    yield 1;
    see('events later');
  });
  let aborted;
  await storage.run('aborts', () => head.handle('/x/waits', (_, { signal }) => new Promise((resolve) => {
    aborted = once(signal, 'abort');
    signal.addEventListener('abort', () => { see('abort'); resolve(); });
  })));

  const node = await storage.run('connector', () => connect(head.address));
  t.after(() => node.close());
  const onEnd = () => see('diagnostics');
  diagnostics.subscribe('alknet:call:end', onEnd);
  for (const user of ['alice', 'bob']) {
    await storage.run(user, async () => {
      await node.call('/x/outside');
      await node.call('/x/inside');
      await node.call('/x/fails').catch(() => see(user));
      for await (const _ of node.subscribe('/x/events')) see(user);
    });
  }
  diagnostics.unsubscribe('alknet:call:end', onEnd);
  await storage.run('caller', () => node.call('/x/waits', null, { timeout: 200 }).catch(() => {}));
  await aborted;
  storage.run('closer', () => node.on('close', () => see('close')));
  await storage.run('somebody', () => node.close());

  assert.deepEqual(Object.fromEntries([...seen].map(([what, contexts]) => [what, [...contexts].join()])), {
    audit: 'first', 'audit once': 'other', session: 'none', outside: 'none', inside: 'owner', 'inside later': 'owner', handlerError: 'listener',
    events: 'none', 'events later': 'none', alice: 'alice', bob: 'bob', abort: 'aborts', close: 'closer', diagnostics: 'alice,bob',
  });
});

test('listeners can be removed and counted as those of any EventEmitter', async (t) => {
  const head = await serve({ listen: 'tls://127.0.0.1:0', allowAnonymous: true });
  t.after(() => head.close());
  const calls = [];
  const on = () => calls.push('on');
  const onceListener = () => calls.push('once');
  head.on('x', on);
  head.once('x', onceListener);
  head.prependListener('x', on);
  head.prependOnceListener('y', onceListener);
  assert.deepEqual(head.listeners('x'), [on, on, onceListener]);
  head.emit('x');
  assert.deepEqual(calls, ['on', 'on', 'once']);
  head.off('x', on);
  head.emit('x');
  assert.deepEqual(calls, ['on', 'on', 'once', 'on']);
  head.off('x', on);
  head.off('y', onceListener);
  assert.equal(head.listenerCount('x') + head.listenerCount('y'), 0);
  assert.throws(() => head.on('x', 'no function'), { code: 'ERR_INVALID_ARG_TYPE' });
  const next = once(head, 'z');
  head.emit('z', 1);
  assert.deepEqual(await next, [1]);
  assert.equal(head.listenerCount('z'), 0);
});
