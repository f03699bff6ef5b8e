// Programs whose built-ins are replaced or frozen, by test tools and by hardening.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Program } from './fixtures/program.mjs';

const WANT = 'LOCKED unlocked INVALID_PATH exported echo NOT_FOUND CONFLICT NOT_FOUND 600 1';

describe('a program whose built-ins are not as they were', { timeout: 120_000 }, () => {
  for (const [what, mode, execArgv] of [
    ['timers, nextTick, Date and clocks are replaced', 'timers'],
    ['JSON and Promise are replaced', 'json'],
    ['Error.prepareStackTrace gives call sites', 'sites'],
    ['Error.prepareStackTrace gives nothing', 'nothing'],
    ['Error.prepareStackTrace throws', 'throwing'],
    ['Error.stackTraceLimit is 0', 'shallow'],
    ['prototypes are frozen', 'frozen'],
    ['node --frozen-intrinsics', 'plain', ['--frozen-intrinsics']],
    ['node --disable-proto=throw', 'plain', ['--disable-proto=throw']],
    ['node --disallow-code-generation-from-strings', 'plain', ['--disallow-code-generation-from-strings']],
  ]) {
    test(what, async (t) => {
      const { stdout, stderr } = await Program.fixture(t, 'tampered.mjs', [mode], { execArgv }).ended;
      assert.equal(stdout.trim(), WANT, stderr);
    });
  }
});
