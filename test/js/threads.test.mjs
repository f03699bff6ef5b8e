// Traps 1 to 3: the addon in worker threads that come, go and are terminated.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { engine, enginesOf, until } from './fixtures/engine-process.mjs';

const fixture = new URL('./fixtures/worker-thread.mjs', import.meta.url);

async function run(mode) {
  const worker = new Worker(fixture, { workerData: { mode } });
  const exited = once(worker, 'exit');
  const [told] = await Promise.race([once(worker, 'message'), exited.then(([code]) => [`exit ${code}`])]);
  if (mode === 'terminate') {
    assert.equal(told, 'busy');
    await worker.terminate();
  }
  const [code] = await exited;
  if (mode !== 'terminate') assert.equal(code, 0, `${mode}: exit code ${code}`);
}

// Each has a process and another thread for it, where the engine is one.
const THREADS = engine === 'process' ? 40 : 200;

test('worker threads by the dozen, a third of them terminated in mid-call, a third ended by process.exit', { timeout: 300_000 }, async () => {
  const modes = ['finish', 'terminate', 'exit'];
  for (let i = 0; i < THREADS; i += 4) {
    await Promise.all([0, 1, 2, 3].map((n) => run(modes[(i + n) % 3])));
  }
  const left = process.getActiveResourcesInfo().filter((name) => /alknet|MessagePort|Worker/i.test(name));
  assert.deepEqual(left, []);
  if (process.platform === 'linux') await until(() => enginesOf(process.pid).length === 0);
});

// The library must outlive its last user: with threads as the only ones, the process
// crashed when the last of them ended and the library was unloaded.
test('threads as the only users, the last one ended, and the process goes on', { timeout: 60_000 }, () => {
  const script = `
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    for (let i = 0; i < 4; i++) {
      const worker = new Worker(new URL(${JSON.stringify(fixture.href)}), { execArgv: [], workerData: { mode: 'finish' } });
      const [code] = await once(worker, 'exit');
      if (code !== 0) process.exit(9);
    }
    setImmediate(() => console.log('alive'));`;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.deepEqual({ status, signal, stdout }, { status: 0, signal: null, stdout: 'alive\n' }, stderr);
});
