// Traps 6 and 7: with the engine inside it a process is still its host's: its
// resource limits, signals, standard streams, profiler and WebAssembly.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Program } from './fixtures/program.mjs';

const fixture = fileURLToPath(new URL('fixtures/host.mjs', import.meta.url));
const run = (t, mode, options) => Program.fixture(t, 'host.mjs', [mode], options);
// The same, where dying shall leave no core file behind.
const doomed = (t, mode) => new Program(t, 'sh', ['-c', 'ulimit -c 0 && exec "$0" "$@"', process.execPath, fixture, mode]);
const numbers = os.constants.signals;
const has = (mask, signal) => (BigInt(`0x${mask}`) >> BigInt(numbers[signal] - 1)) & 1n;

describe('a process with the engine inside', { concurrency: 2, timeout: 60_000, skip: process.platform === 'linux' ? false : '/proc is needed' }, () => {
  test('keeps its limit of core files, soft and hard, and its signals', async (t) => {
    const { stdout, stderr, code } = await run(t, 'state').ended;
    assert.equal(code, 0, stderr);
    const { before, ...later } = JSON.parse(stdout);
    for (const [when, now] of Object.entries(later)) {
      assert.deepEqual(now.core, before.core, when);
      assert.equal(now.SigBlk, before.SigBlk, `${when}: blocked signals`);
      for (const signal of Object.keys(numbers)) {
        // Go handles faults in its own code and hands the rest on; it wakes its threads by SIGURG.
        if (['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGPIPE', 'SIGURG'].includes(signal)) continue;
        if (signal === 'SIGCHLD') continue; // Node.js has a child now, or the addon holds libuv's handler (signals.test.mjs)
        assert.equal(has(now.SigCgt, signal), has(before.SigCgt, signal), `${when}: ${signal} caught`);
        assert.equal(has(now.SigIgn, signal), has(before.SigIgn, signal), `${when}: ${signal} ignored`);
      }
    }
  });

  test('keeps a raised limit of core files', async (t) => {
    const program = new Program(t, 'sh', ['-c', 'ulimit -S -c 0 && ulimit -S -c "$(ulimit -H -c)" && exec "$0" "$@"', process.execPath, fixture, 'state']);
    const { stdout, stderr, code } = await program.ended;
    assert.equal(code, 0, stderr);
    const { before, closed } = JSON.parse(stdout);
    assert.deepEqual(closed.core, before.core);
    assert.equal(before.core[0], before.core[1]);
    assert.notEqual(before.core[0], '0', 'the hard limit here is 0, so that this shows nothing: raise it');
  });

  test('runs its own signal handlers', async (t) => {
    const program = run(t, 'handlers');
    await program.line(/ready/);
    for (let i = 0; i < 5; i++) {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2', 'SIGWINCH', 'SIGPIPE']) {
        program.kill(signal);
        await program.line(new RegExp(`^${signal}$`));
      }
    }
  });

  for (const [signal, mode] of Object.entries({ SIGINT: 'defaults', SIGTERM: 'defaults', SIGHUP: 'defaults', SIGQUIT: 'defaults', SIGABRT: 'defaults', SIGSEGV: 'idle', SIGBUS: 'idle' })) {
    test(`without a handler ends by ${signal}, in silence`, async (t) => {
      const program = doomed(t, mode);
      await program.line(/ready/);
      program.kill(signal);
      const { code, stderr, ...ended } = await program.ended;
      assert.deepEqual([code, ended.signal, stderr], [null, signal, '']);
    });
  }

  test('is told EPIPE when its stdout is closed, and lives', async (t) => {
    const program = run(t, 'pipe');
    await program.line(/ready/);
    program.child.stdout.destroy();
    const { code, signal, stderr } = await program.ended;
    assert.deepEqual([code, signal, stderr], [0, null, 'EPIPE\ngoes on\n']);
  });

  test('prints nothing that it does not print itself', async (t) => {
    assert.deepEqual(await run(t, 'quiet').ended, { code: 0, signal: null, stdout: '', stderr: '' });
  });

  test('catches the traps of its WebAssembly', async (t) => {
    const { stdout, stderr, code } = await run(t, 'wasm').ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), [400, 'unreachable', 'memory access out of bounds']);
  });

  test('can be profiled with --cpu-prof', async (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-profile-'));
    t.after(() => fs.rmSync(folder, { recursive: true }));
    const { code, signal, stderr } = await run(t, 'profile', { execArgv: ['--cpu-prof', '--cpu-prof-dir', folder] }).ended;
    assert.deepEqual([code, signal, stderr], [0, null, '']);
    const [file] = fs.readdirSync(folder);
    const profile = JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'));
    const busy = new Set(profile.nodes.filter((node) => node.callFrame.functionName === 'burnSomeTime').map((node) => node.id));
    assert.ok(profile.samples.some((id) => busy.has(id)), 'the profile shows where the time went');
  });

  test('opens its inspector on SIGUSR1', async (t) => {
    const program = run(t, 'defaults', { execArgv: ['--inspect-port=0'] });
    await program.line(/ready/);
    program.kill('SIGUSR1');
    await program.errors(/Debugger listening on ws:/);
  });

  test('sees the exit codes of its children', async (t) => {
    const { stdout, stderr, code } = await run(t, 'children').ended;
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), Array.from({ length: 20 }, (_, i) => i >> 1));
  });
});
