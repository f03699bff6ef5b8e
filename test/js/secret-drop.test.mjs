// A handle that JavaScript drops right behind an operation lives until its answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Program } from './fixtures/program.mjs';

test('handles that are collected while their operations wait', { timeout: 120_000 }, async (t) => {
  const { code, stdout, stderr } = await Program.fixture(t, 'secret-drop.mjs', [], { execArgv: ['--expose-gc'] }).ended;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^[1-9]\d* operations, 0 failed$/m);
});
