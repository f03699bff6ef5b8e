// Calls beyond the limits of the other side: they wait, and nothing of them is lost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AlknetError, connect, generateKey, serve } from '../../lib/index.mjs';

const key = generateKey('test');

async function pair(t, { listen = '127.0.0.1:0', limits, connectLimits } = {}) {
  const head = await serve({ listen, authorizedKeys: [key.publicKey], ...(limits && { limits }), drain: 0 });
  t.after(() => head.close());
  const node = await connect(head.address, { key: Buffer.from(key.privateKey), reconnect: false, ...(connectLimits && { limits: connectLimits }) });
  t.after(() => node.close());
  return { head, node };
}

const unsent = (code, text = '') => (error) => {
  assert(error instanceof AlknetError);
  assert.equal(error.code, code, error.message);
  assert.equal(error.sent, false);
  assert(error.message.includes(text), error.message);
  return true;
};

for (const engine of ['addon', 'process']) {
  test(`5,000 calls at once are answered in order: ${engine}`, async (t) => {
    for (const address of ['127.0.0.1:0', 'tls://127.0.0.1:0']) {
      const head = await serve({ engine, listen: address, authorizedKeys: [key.publicKey] });
      t.after(() => head.close());
      const order = [];
      await head.handle('/order/of', (n) => { order.push(n); return n; });
      const node = await connect(head.address, { engine, key: Buffer.from(key.privateKey) });
      t.after(() => node.close());
      const numbers = Array.from({ length: 5000 }, (_, i) => i);
      assert.deepEqual(await Promise.all(numbers.map((n) => node.call('/order/of', n))), numbers);
      assert.deepEqual(order, numbers, address);
    }
  });
}

test('a call that is aborted or late while it waits is not sent', async (t) => {
  const { head, node } = await pair(t, { limits: { maxInFlight: 1 } });
  const seen = [];
  let release;
  await head.handle('/hold/it', () => new Promise((resolve) => { release = resolve; }));
  await head.handle('/see/it', (n) => { seen.push(n); return n; });
  const held = node.call('/hold/it');
  const stop = new AbortController();
  const calls = [0, 1, 2, 3, 4].map((n) => node.call('/see/it', n, { ...(n % 2 === 0 && n !== 2 && { signal: stop.signal }), ...(n === 2 && { timeout: 30 }) }));
  await assert.rejects(calls[2], unsent('TIMEOUT'));
  stop.abort(new Error('enough'));
  await assert.rejects(calls[0], { message: 'enough' });
  await assert.rejects(calls[4], { message: 'enough' });
  while (release === undefined) await new Promise(setImmediate);
  release();
  await held;
  assert.deepEqual(await Promise.all([calls[1], calls[3]]), [1, 3]);
  assert.deepEqual(seen, [1, 3]);
});

test('what waits is bounded, and closing rejects it; what was sent says so', async (t) => {
  const { head, node } = await pair(t, { limits: { maxInFlight: 1 }, connectLimits: { maxWaiting: 3 } });
  await head.handle('/hold/it', () => new Promise(() => {}));
  const first = node.call('/hold/it');
  const waiting = [1, 2, 3].map(() => node.call('/hold/it'));
  await assert.rejects(node.call('/hold/it'), unsent('RESOURCE_EXHAUSTED', '3 requests wait for the peer (limits.maxWaiting)'));
  const ends = [assert.rejects(first, (error) => error.code === 'UNAVAILABLE' && error.sent === true), ...waiting.map((w) => assert.rejects(w, unsent('UNAVAILABLE')))];
  await node.close();
  await Promise.all(ends);
  await assert.rejects(node.call('/hold/it'), unsent('UNAVAILABLE'));
});

test('maxWaiting 0 refuses at once; wrong limits are refused', async (t) => {
  const { head, node } = await pair(t, { limits: { maxInFlight: 1 }, connectLimits: { maxWaiting: 0 } });
  await head.handle('/hold/it', () => new Promise(() => {}));
  node.call('/hold/it').catch(() => {});
  await assert.rejects(node.call('/hold/it'), unsent('RESOURCE_EXHAUSTED', 'limits.maxWaiting'));
  await assert.rejects(connect(head.address, { limits: { maxWaiting: -1 } }), /limits.maxWaiting/);
  await assert.rejects(connect(head.address, { limits: { maxFrame: 1 } }), TypeError);
});

test('errors of the other side were sent', async (t) => {
  const { node } = await pair(t);
  await assert.rejects(node.call('/no/such'), (error) => error.code === 'NOT_FOUND' && error.sent === true);
});
