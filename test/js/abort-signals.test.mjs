// AbortSignals: one listener each, of any realm and any make.
import assert from 'node:assert/strict';
import { EventEmitter, getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import vm from 'node:vm';
import { connect, SecretStore, serve } from '../../lib/index.mjs';

class Polyfill {
  aborted = false;
  #emitter = new EventEmitter();
  addEventListener(_, listener) { this.#emitter.once('abort', listener); }
  removeEventListener(_, listener) { this.#emitter.off('abort', listener); }
  abort(reason) {
    this.aborted = true;
    this.reason = reason;
    this.#emitter.emit('abort', { type: 'abort' });
  }
  get listeners() { return this.#emitter.listenerCount('abort'); }
}

describe('signals', { timeout: 60_000 }, () => {
  let head, node;
  const open = async (t) => {
    head = await serve({ listen: 'tls://127.0.0.1:0', allowAnonymous: true });
    await head.handle('/x/y', (input) => input);
    await head.handle('/x/fails', () => { throw new Error('x'); });
    head.on('handlerError', () => {});
    await head.handle('/x/waits', (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)));
    await head.handle({ name: '/x/s', type: 'subscription' }, async function* (to) { for (let n = 0; n < to; n++) yield n; });
    await head.handle({ name: '/x/forever', type: 'subscription' }, async function* (_, { signal }) { yield 1; await new Promise((resolve) => signal.addEventListener('abort', resolve)); });
    node = await connect(head.address);
    t.after(async () => { await node.close(); await head.close({ drain: 0 }); });
  };

  test('have one listener however many wait for them, and none afterwards', async (t) => {
    await open(t);
    const warnings = [];
    const warn = (warning) => warnings.push(warning);
    process.on('warning', warn);
    t.after(() => process.off('warning', warn));
    const { signal } = new AbortController();
    const listeners = () => getEventListeners(signal, 'abort').length;
    const store = new SecretStore();
    const uses = {
      'calls that succeed': () => node.call('/x/y', 1, { signal }),
      'calls that fail': () => node.call('/x/fails', 1, { signal }).catch(() => {}),
      'calls of nothing': () => node.call('/x/none', 1, { signal }).catch(() => {}),
      'calls that time out': () => node.call('/x/waits', 1, { signal, timeout: 1 }).catch(() => {}),
      'subscriptions to the end': async () => { for await (const _ of node.subscribe('/x/s', 3, { signal })); },
      'subscriptions that are left': async () => { for await (const _ of node.subscribe('/x/forever', 1, { signal })) break; },
      'subscriptions that fail': async () => { await node.subscribe('/x/none', 1, { signal }).next().catch(() => {}); },
      'connections': async () => { await (await connect(head.address, { signal })).close(); },
      'connections that fail': () => connect('tcp://127.0.0.1:1', { signal }).catch(() => {}),
      'joins that fail': () => node.join('w', { signal }).catch(() => {}),
      'unlocking': () => store.unlock('no phrase', { signal }).catch(() => {}),
    };
    for (const [what, use] of Object.entries(uses)) {
      const work = Array.from({ length: 20 }, use);
      assert.ok(listeners() <= 1, `${what}: ${listeners()} listeners at once`);
      await Promise.all(work);
      // A subscription that was left ends when the engine says so.
      while (listeners() > 0) await node.call('/x/y');
      assert.equal(listeners(), 0, what);
    }
    await new Promise(setImmediate);
    assert.deepEqual(warnings, []);
  });

  test('of a polyfill and of another realm stop what they were given to', async (t) => {
    await open(t);
    const Foreign = vm.runInNewContext('class Foreign extends EventTarget {}; Foreign', { EventTarget });
    const foreign = Object.assign(new Foreign(), { aborted: false });
    const polyfill = new Polyfill();
    for (const [signal, abort] of [
      [polyfill, (reason) => polyfill.abort(reason)],
      [foreign, (reason) => { Object.assign(foreign, { aborted: true, reason }); foreign.dispatchEvent(new Event('abort')); }],
    ]) {
      const reason = new Error('stop');
      const call = node.call('/x/waits', null, { signal });
      const events = node.subscribe('/x/forever', null, { signal });
      await events.next();
      const more = events.next();
      abort(reason);
      await assert.rejects(call, reason);
      await assert.rejects(more, reason);
      await assert.rejects(node.call('/x/y', 1, { signal }), reason);
      await assert.rejects(connect(head.address, { signal }), reason);
    }
    assert.equal(polyfill.listeners, 0);
    const bare = { aborted: true, addEventListener() {} };
    await assert.rejects(node.call('/x/y', 1, { signal: bare }), { name: 'AbortError' });
    for (const wrong of [{}, { aborted: false }, { aborted: 'no', addEventListener() {} }, () => {}, null, 'x']) {
      assert.throws(() => node.call('/x/y', 1, { signal: wrong }), TypeError);
    }
  });
});
