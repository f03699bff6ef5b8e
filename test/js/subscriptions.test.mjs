// Subscriptions: back-pressure, ends of every kind, readers that stall or leave.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AlknetError, connect, generateKey, serve } from '../../lib/index.mjs';

const key = generateKey('test');
let head, node;
const produced = new Map(); // name -> { count, done }

function producer(name) {
  const state = { count: 0 };
  state.ended = new Promise((resolve) => { state.end = resolve; });
  produced.set(name, state);
  return state;
}

before(async () => {
  head = await serve({ listen: '127.0.0.1:0', authorizedKeys: [key.publicKey] });
  node = await connect(head.address, { key: Buffer.from(key.privateKey) });
  await head.handle({ name: '/test/endless', type: 'subscription' }, async function* ({ name, size = 1 }) {
    const state = produced.get(name);
    try {
      for (;;) {
        state.count++;
        yield 'x'.repeat(size);
      }
    } finally {
      state.end();
    }
  });
  await head.handle({ name: '/test/faulty', type: 'subscription' }, async function* ({ kind }) {
    yield 1;
    yield 2;
    if (kind === 'coded') throw new AlknetError('OUT_OF_PAPER', 'no more');
    if (kind === 'plain') throw new Error('secret');
    if (kind === 'value') yield 1n;
  });
});
after(async () => {
  await node.close();
  await head.close();
});

const fails = (code) => (error) => error instanceof AlknetError && error.code === code;

test('a producer is at most the window ahead, and stops when the reader breaks', async () => {
  const state = producer('break');
  const window = 10;
  let read = 0;
  for await (const _ of node.subscribe('/test/endless', { name: 'break' }, { window })) {
    read++;
    assert.ok(state.count <= read + 2 * window, `${state.count} produced, ${read} read`);
    if (read === 500) break;
  }
  await state.ended;
});

test('a reader that stalls costs a window, and nobody else waits', async () => {
  const before = process.memoryUsage().rss;
  const state = producer('stall');
  const stalled = node.subscribe('/test/endless', { name: 'stall', size: 10_000 }, { window: 64 });
  await stalled.next();
  // Two thousand calls and another subscription pass it by.
  for (let i = 0; i < 2000; i++) assert.equal(await node.call('/echo/echo', i), i);
  const other = producer('other');
  let read = 0;
  for await (const _ of node.subscribe('/test/endless', { name: 'other' })) if (++read === 20_000) break;
  await other.ended;
  assert.ok(state.count <= 64 + 64 + 1, `${state.count} events were produced for a reader that took one`);
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < 150e6, `memory grew by ${grown} bytes`);
  await stalled.return();
  await state.ended;
  assert.deepEqual(await stalled.next(), { value: undefined, done: true });
});

test('a subscription ends with the producer, or with its error after the events before it', async () => {
  await head.handle({ name: '/test/list', type: 'subscription' }, () => [1, 2, 3]);
  const events = [];
  for await (const event of node.subscribe('/test/list')) events.push(event);
  assert.deepEqual(events, [1, 2, 3]);
  head.on('handlerError', () => {});
  for (const [kind, code] of [['coded', 'OUT_OF_PAPER'], ['plain', 'INTERNAL'], ['value', 'INTERNAL']]) {
    const got = [];
    await assert.rejects(async () => { for await (const event of node.subscribe('/test/faulty', { kind })) got.push(event); }, fails(code));
    assert.deepEqual(got, [1, 2], kind);
  }
  await head.handle({ name: '/test/notiterable', type: 'subscription' }, () => 1);
  await assert.rejects(node.subscribe('/test/notiterable').next(), fails('INTERNAL'));
  await assert.rejects(node.subscribe('/no/such').next(), fails('NOT_FOUND'));
});

test('signal, timeout and idle timeout end a subscription on both sides', async () => {
  const state = producer('signal');
  const controller = new AbortController();
  const reason = new Error('enough');
  const events = node.subscribe('/test/endless', { name: 'signal' }, { signal: controller.signal, window: 4 });
  await events.next();
  controller.abort(reason);
  await assert.rejects(async () => { for (;;) if ((await events.next()).done) throw new Error('ended without the reason'); }, (error) => error === reason);
  await state.ended;

  await head.handle({ name: '/test/silent', type: 'subscription' }, async function* (_, context) {
    await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
    yield 'after the end'; // dropped: nobody waits for it
  });
  await assert.rejects(node.subscribe('/test/silent', null, { timeout: 50 }).next(), fails('TIMEOUT'));
  await assert.rejects(node.subscribe('/test/silent', null, { idleTimeout: 100 }).next(), fails('TIMEOUT'));
  await assert.rejects(node.subscribe('/test/silent', null, { signal: AbortSignal.abort(reason) }).next(), (error) => error === reason);
  assert.equal(await node.call('/echo/echo', 'fine'), 'fine');
});

test('several reads at once are answered in order; throw() and asyncDispose stop it', async () => {
  await head.handle({ name: '/test/count', type: 'subscription' }, function* () { for (let i = 0; ; i++) yield i; });
  const events = node.subscribe('/test/count');
  const five = await Promise.all(Array.from({ length: 5 }, () => events.next()));
  assert.deepEqual(five.map((r) => r.value), [0, 1, 2, 3, 4]);
  await assert.rejects(events.throw(new Error('mine')), /mine/);
  assert.equal((await events.next()).done, true);
  const disposed = node.subscribe('/test/count');
  await disposed[Symbol.asyncDispose]();
  assert.equal((await disposed.next()).done, true);
});

test('a call of a subscription gives its first event and stops it', async () => {
  // What stops the handler is the caller's word, or that more events wait than may for a
  // caller without a window: many times, so that both happen.
  for (let i = 0; i < 50; i++) {
    const state = producer(`first ${i}`);
    assert.equal(await node.call('/test/endless', { name: `first ${i}` }), 'x');
    await state.ended;
  }
});

test('a subscription to a query gives its one answer', async () => {
  const events = [];
  for await (const event of node.subscribe('/echo/echo', 7)) events.push(event);
  assert.deepEqual(events, [7]);
});
