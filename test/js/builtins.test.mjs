// lib/ uses built-ins that programs replace only by core/builtins.js, which captures them,
// and prints only what it escapes.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root } from './fixtures/program.mjs';

const files = fs.readdirSync(path.join(root, 'lib'), { recursive: true }).filter((name) => name.endsWith('.js')).map((name) => name.replaceAll('\\', '/'));
const sources = new Map(files.map((name) => [name, fs.readFileSync(path.join(root, 'lib', name), 'utf8')]));
const code = (text) => text.replace(/\/\*[^]*?\*\/|(?<![:'"`])\/\/.*$/gm, '');

const REPLACEABLE = /process\.(nextTick|hrtime)|\bDate\.now|\bJSON\.|performance\.now|Error\.(captureStackTrace|stackTraceLimit|prepareStackTrace)|Object\.defineProperty|globalThis\./;
const TIMERS = /(?<![.\w'])(setTimeout|setInterval|setImmediate|clearTimeout|queueMicrotask)\(/;
// A thread of its own, whose built-ins nobody replaces.
const OWN_THREAD = new Set(['core/builtins.js', 'engine/process-thread.js']);

test('built-ins that test tools replace are captured when the package is loaded', () => {
  assert.ok(files.length > 25);
  for (const [name, text] of sources) {
    if (OWN_THREAD.has(name)) continue;
    const plain = code(text);
    assert.doesNotMatch(plain, REPLACEABLE, name);
    for (const [, used] of plain.matchAll(new RegExp(TIMERS, 'g'))) {
      assert.match(plain, new RegExp(`const \\{[^}]*\\b${used}\\b[^}]*\\} = require\\('[./]*(core/)?builtins\\.js'\\)`), `${name}: ${used}`);
    }
    for (const used of ['Promise', 'Date']) {
      if (!new RegExp(`new ${used}\\(|\\b${used}\\.`).test(plain)) continue;
      assert.match(plain, new RegExp(`\\b${used}\\b[^}]*\\} = require\\('[./]*(core/)?builtins\\.js'\\)`), `${name}: ${used}`);
    }
  }
});

test('a folder of lib/ imports folders before it only', () => {
  const order = ['core', 'engine', 'secret', 'credential', 'node', '.'];
  for (const [name, text] of sources) {
    const own = order.indexOf(path.posix.dirname(name));
    assert.ok(own >= 0, `${name} is in no folder that this test knows`);
    for (const [, target] of text.matchAll(/require\('(\.[^']*\.js)'\)/g)) {
      const folder = path.posix.dirname(path.posix.join(path.posix.dirname(name), target));
      assert.ok(order.indexOf(folder) >= 0 && order.indexOf(folder) <= own, `${name} imports ${target}`);
    }
  }
});
