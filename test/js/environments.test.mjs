// Trap 3: the addon more than once in one process, by copies, reloads and threads.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Program, root } from './fixtures/program.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-environments-'));
after(() => fs.rmSync(folder, { recursive: true }));
const copies = ['first', 'second'].map((name) => path.join(folder, name));

before(() => {
  for (const copy of copies) {
    for (const part of ['lib', 'package.json', 'build/Release/alknet.node', 'bin/alknet']) fs.cpSync(path.join(root, part), path.join(copy, part), { recursive: true });
  }
});

const said = ['b', 'a', 'OUT_OF_PAPER', true, true];

async function run(t, ...args) {
  const { code, signal, stdout, stderr } = await Program.fixture(t, 'environments.mjs', args).ended;
  assert.deepEqual([code, signal, stderr], [0, null, '']);
  return stdout;
}

test('two copies of the package call each other', { timeout: 60_000 }, async (t) => {
  assert.deepEqual(JSON.parse(await run(t, 'copies', ...copies)), [true, ...said, ...said]);
});

test('the modules are reset, the addon stays', { timeout: 60_000 }, async (t) => {
  assert.deepEqual(JSON.parse(await run(t, 'reset', root)), [true, ...said, ...said]);
});

test('the addon is loaded again under its path', { timeout: 60_000 }, async (t) => {
  assert.deepEqual(JSON.parse(await run(t, 'reload', root)), [true, ...said, ...said]);
});

test('eight threads and the main thread import it at the same time', { timeout: 60_000 }, async (t) => {
  assert.deepEqual(JSON.parse(await run(t, 'imports', root)), [said, 1, said, [0]]);
});

test('a thread with an open head is terminated: its port is free, its callers are told', { timeout: 60_000 }, async (t) => {
  const lines = (await run(t, 'across', root)).trim().split('\n');
  assert.deepEqual(lines, [...Array.from({ length: 5 }, () => ['UNAVAILABLE UNAVAILABLE', 'UNAVAILABLE']).flat(), JSON.stringify(said)]);
});
