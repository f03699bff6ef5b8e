// What the package prints is text that others may have written.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const lib = fileURLToPath(new URL('../../lib/', import.meta.url));
const { printable } = createRequire(import.meta.url)('../../lib/core/printable.js');

test('what cannot be printed is escaped', () => {
  assert.equal(printable('jörg\t1\n2'), 'jörg\t1\n2');
  assert.equal(printable('\x1b[31m\x07\x9b\u202e\u2028\r\x7f\ud800\u{e0041}'), '\\u{1b}[31m\\u{7}\\u{9b}\\u{202e}\\u{2028}\\u{d}\\u{7f}\\u{d800}\\u{e0041}');
});

test('nothing prints past it', () => {
  for (const file of fs.readdirSync(lib, { recursive: true }).filter((name) => name.endsWith('.js'))) {
    for (const [n, line] of fs.readFileSync(path.join(lib, file), 'utf8').split('\n').entries()) {
      if (/console\.|process\.(stdout|stderr)\.write|emitWarning\(/.test(line)) assert.match(line, /printable\(/, `lib/${file}:${n + 1}`);
    }
  }
});
