// Trap 11: a handler of the host never runs on a goroutine's stack, whatever is installed
// and when. libuv installs its handlers without SA_ONSTACK, after Go has started.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { engine } from './fixtures/engine-process.mjs';
import { Program } from './fixtures/program.mjs';

// .ci/run makes it longer.
const SECONDS = process.env.ALKNET_SIGNALS_SECONDS ?? '5';

describe('signals of the host', { timeout: 60_000 + Number(SECONDS) * 4e3, skip: process.platform === 'linux' ? false : '/proc is needed' }, () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-signals-'));
  const module = path.join(folder, 'signals.node');
  execFileSync(process.env.CC || 'cc', ['-shared', '-fPIC', '-O2', '-Wall', '-pthread', '-o', module, fileURLToPath(new URL('fixtures/signals.c', import.meta.url))]);
  after(() => fs.rmSync(folder, { recursive: true }));

  const run = async (t, mode) => {
    const { stdout, stderr, code, signal } = await Program.fixture(t, 'signals.mjs', [module, mode, SECONDS], { env: { GOGC: '5' } }).ended;
    assert.equal(signal, null, `the host died by ${signal}: ${stderr}`);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };

  test('handlers of signals that stay open on Go\'s threads always have a stack of their own', { skip: engine === 'process' ? 'no Go here' : false }, async (t) => {
    for (const [when, flag] of Object.entries(await run(t, 'flags'))) assert.equal(flag, 1, when);
  });

  const modes = { main: 'the main thread uses the engine', worker: 'a worker thread too', ...(engine !== 'process' && { open: 'also those that stay open' }) };
  for (const [mode, what] of Object.entries(modes)) {
    test(`signals to every thread, all the time: ${what}`, async (t) => {
      const { handled, misplaced } = await run(t, mode);
      assert.ok(handled > 100, `${handled} signals were handled`);
      assert.equal(misplaced, 0, `of ${handled} handlers, ${misplaced} ran on a stack that is not their thread's`);
    });
  }
});
