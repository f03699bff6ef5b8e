// Stores in worker threads: many operations, and threads that end in the middle of them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { engine, enginesOf } from './fixtures/engine-process.mjs';
import { Random } from './fixtures/secrets.mjs';
import { entropyToMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';

const fixture = new URL('./fixtures/secret-worker.mjs', import.meta.url);
const random = new Random('threads');
const start = () => new Worker(fixture, { workerData: { phrase: entropyToMnemonic(random.bytes(16), wordlist) } });

/** Waits for a message, and fails if the thread fails. */
async function message(worker) {
  const [told] = await Promise.race([once(worker, 'message'), once(worker, 'exit').then(([code]) => [`the thread ended with ${code}`])]);
  return told;
}

// Fewer where each operation goes to another process and back.
const COUNT = Number(process.env.SECRET_OPERATIONS ?? (engine === 'process' ? 20_000 : 100_000));
const THREADS = 8;
const ROUNDS = 5;

test(`${COUNT} derive, sign and seal operations from ${THREADS} threads, with locks in between`, { timeout: 600_000 }, async (t) => {
  const workers = Array.from({ length: THREADS }, start);
  const rss = [];
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(workers.map(async (worker) => {
      const told = message(worker);
      worker.postMessage({ round: COUNT / THREADS / ROUNDS });
      assert.equal(await told, 'done');
    }));
    rss.push(Math.round(process.memoryUsage.rss() / (1 << 20)));
  }
  t.diagnostic(`resident after each fifth, in MiB: ${rss.join(' ')}`);
  // The first fifth warms heaps and caches up; a leak of 100 bytes an operation would be
  // 8 MiB, and one of a plaintext or a result many times that.
  // With twice the threads, between which buffers move, the heaps alone differ by more.
  assert.ok(rss.at(-1) - rss[1] < (engine === 'process' ? 96 : 32), `memory grows: ${rss.join(' ')} MiB`);
  for (const worker of workers) {
    const exited = once(worker, 'exit');
    worker.postMessage({ end: true });
    assert.equal((await exited)[0], 0);
  }
});

// Of this process and its engines, in kB.
const lockedMemory = () => [process.pid, ...enginesOf(process.pid)].reduce((sum, pid) => {
  try {
    return sum + Number(/^VmLck:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return sum; // it has ended
  }
}, 0);

test('threads that are terminated or exit while stores unlock leave no store behind', { timeout: 120_000, skip: process.platform !== 'linux' && 'locked memory is counted in /proc, which is of Linux' }, async () => {
  const before = lockedMemory();
  let most = 0;
  for (let n = 0; n < 16; n += 4) {
    await Promise.all([0, 1, 2, 3].map(async (i) => {
      const worker = start();
      const told = message(worker);
      const exited = once(worker, 'exit');
      const exit = i === 3;
      worker.postMessage({ busy: exit ? 1 + n : 60_000, exit });
      assert.equal(await told, 'busy');
      most = Math.max(most, lockedMemory());
      if (!exit) await worker.terminate();
      await exited;
    }));
  }
  assert.ok(most > before, 'no store was unlocked when its thread ended');
  // What was being unlocked when its thread ended gives up within moments.
  for (const deadline = Date.now() + 20_000; lockedMemory() > before && Date.now() < deadline;) await new Promise(setImmediate);
  assert.equal(lockedMemory(), before, 'a store outlived its thread');
  assert.deepEqual(enginesOf(process.pid), [], 'an engine outlived its thread');
});
