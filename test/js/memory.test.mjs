// Memory: what stalls, fails or ends costs a bounded amount of it, and nothing later.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { connect, generateKey, serve } from '../../lib/index.mjs';
import { Program } from './fixtures/program.mjs';

const engine = createRequire(import.meta.url)('../../lib/engine/select.js').engineOf();
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-memory-'));
after(() => fs.rmSync(folder, { recursive: true }));
const headKey = generateKey('head'), clientKey = generateKey('client');
const key = () => Buffer.from(clientKey.privateKey);
const files = { key: path.join(folder, 'head_key'), authorized: path.join(folder, 'authorized_keys') };
fs.writeFileSync(files.key, headKey.privateKey, { mode: 0o600 });
fs.writeFileSync(files.authorized, `${clientKey.publicKey}\n`);

const MiB = 2 ** 20;

for (const [transport, count] of [['tcp', 1_000_000], ['quic', 200_000]]) {
  test(`a reader that stalls while ${count} events pass it by, over ${transport}`, { timeout: 120_000 }, async (t) => {
    const head = Program.fixture(t, 'head.mjs', [`${transport}://127.0.0.1:0`, files.key, files.authorized]);
    const [, address] = await head.line(/^address (\S+)$/);
    const node = await connect(address, { key: key() });
    t.after(() => node.close());
    const window = 64, size = 20_000;
    const read = async (count) => {
      const events = node.subscribe('/flow/endless', { name: 'other', size: 20 });
      let n = 0;
      for await (const _ of events) if (++n === count) break;
    };
    await read(100_000); // until both sides have their working size
    const before = await node.call('/flow/state');
    const mine = process.memoryUsage.rss();
    // One that has read something, and one that never reads.
    const stalled = [node.subscribe('/flow/endless', { name: 'a', size }, { window }), node.subscribe('/flow/endless', { name: 'b', size }, { window })];
    await stalled[0].next();
    await read(count);
    const { produced, memory } = await node.call('/flow/state');
    for (const name of ['a', 'b']) assert.ok(produced[name] > 0 && produced[name] <= window + 1, `${produced[name]} events were produced for ${name}, which has room for ${window}`);
    assert.ok(memory - before.memory < 60 * MiB, `the head grew by ${(memory - before.memory) / MiB} MiB`);
    assert.ok(process.memoryUsage.rss() - mine < 100 * MiB, `the client grew by ${(process.memoryUsage.rss() - mine) / MiB} MiB`);
    // It goes on where it stopped.
    for (let i = 0; i < 500; i++) assert.equal((await stalled[0].next()).value.length, size);
    await Promise.all(stalled.map((stream) => stream.return()));
  });
}

test('a large window that was filled before anybody read is read whole and in order', { timeout: 60_000 }, async (t) => {
  const head = await serve({ listen: 'tcp://127.0.0.1:0', authorizedKeys: [clientKey.publicKey] });
  const node = await connect(head.address, { key: key() });
  t.after(() => Promise.all([node.close(), head.close()]));
  let all;
  const filled = new Promise((resolve) => { all = resolve; });
  const count = 150_000;
  await head.handle({ name: '/flow/many', type: 'subscription' }, function* () {
    for (let i = 0; i < count; i++) yield i;
    all();
  });
  const events = node.subscribe('/flow/many', null, { window: count + 1 });
  await filled;
  let next = 0;
  for await (const event of events) assert.equal(event, next++);
  assert.equal(next, count);
});

test('twenty thousand requests of every end leave nothing in any table', { timeout: 120_000 }, async (t) => {
  const tables = ['requests', 'incoming', 'nodes', 'sessions'];
  const sizes = () => tables.map((name) => engine[name].size);
  const empty = sizes();
  const head = await serve({ listen: '127.0.0.1:0', authorizedKeys: [clientKey.publicKey] });
  const node = await connect(head.address, { key: key() });
  t.after(() => Promise.all([node.close(), head.close()]));
  head.on('handlerError', () => {});
  await head.handle('/end/answer', (input) => input);
  await head.handle('/end/throw', () => { throw new Error('no'); });
  await head.handle('/end/hang', () => new Promise(() => {}));
  await head.handle({ name: '/end/count', type: 'subscription' }, async function* ({ n }) { for (let i = 0; i < n; i++) yield i; });
  await head.handle({ name: '/end/break', type: 'subscription' }, async function* () { yield 1; throw new Error('no'); });
  await node.call('/end/answer', 1);
  const open = sizes();
  assert.ok(open[2] === empty[2] + 2 && open[3] === empty[3] + 1, `${open}`);

  const swallow = () => {};
  const drain = async (events) => { for await (const _ of events); };
  const kinds = [
    () => node.call('/end/answer', 1),
    () => node.call('/echo/echo', 1),
    () => node.call('/end/throw'),
    () => node.call('/no/such'),
    () => node.call('/end/hang', null, { timeout: 1 }),
    () => node.call('/end/hang', null, { signal: AbortSignal.timeout(1) }),
    () => { const c = new AbortController(); const call = node.call('/end/answer', 1, { signal: c.signal }); c.abort(); return call; },
    () => drain(node.subscribe('/end/count', { n: 5 })),
    () => drain(node.subscribe('/end/break')),
    async () => { for await (const _ of node.subscribe('/end/count', { n: 1e9 }, { window: 3 })) break; },
    () => node.subscribe('/end/count', { n: 1e9 }, { window: 3 }).return(),
    () => node.subscribe('/end/hang', null, { idleTimeout: 100, timeout: 20 }).next(),
    () => node.call('/end/count', { n: 5 }),
  ];
  for (let i = 0; i < 20_000 / 200; i++) {
    await Promise.all(Array.from({ length: 200 }, (_, n) => Promise.resolve(kinds[(i + n) % kinds.length]()).catch(swallow)));
  }
  // The last words of what was stopped may be under way still.
  while (sizes().some((size, i) => size !== open[i])) await node.call('/echo/echo');
  for (let i = 0; i < 30; i++) await (await connect(head.address, { key: key() })).close();
  while (sizes().some((size, i) => size !== open[i])) await node.call('/echo/echo');
  await node.close();
  await head.close();
  while (sizes().some((size, i) => size !== empty[i])) await new Promise(setImmediate);
});
