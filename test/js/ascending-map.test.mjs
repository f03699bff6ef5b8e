// The table of requests under way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';
import { createRequire } from 'node:module';

const { AscendingMap } = createRequire(import.meta.url)('../../lib/core/ascending-map.js');

test('it holds what a Map would hold', () => {
  const map = new AscendingMap();
  const reference = new Map();
  let state = 1;
  const random = (n) => { state = (state * 1664525 + 1013904223) >>> 0; return state % n; };
  let number = 0;
  for (let i = 0; i < 100_000; i++) {
    if (random(3) > 0) {
      number += 1 + random(3);
      const entry = { number };
      map.set(number, entry);
      reference.set(number, entry);
    } else {
      const some = Math.max(1, number - random(random(10) === 0 ? 20_000 : 100));
      assert.equal(map.get(some), reference.get(some));
      assert.equal(map.delete(some), reference.delete(some));
      assert.equal(map.get(some), undefined);
    }
    assert.equal(map.size, reference.size);
  }
  assert.ok(reference.size > 8192, 'some were older than the newest few thousand');
  assert.deepEqual(map.values(), [...reference.values()]);
  for (const [some, entry] of reference) {
    assert.equal(map.get(some), entry);
    assert.equal(map.delete(some), true);
  }
  assert.equal(map.size, 0);
  assert.equal(map.delete(number), false);
  assert.equal(map.get(0), undefined);
});

test('clear leaves nothing, and what comes later is held', () => {
  const map = new AscendingMap();
  for (let number = 1; number <= 10_000; number++) map.set(number, number);
  map.clear();
  assert.deepEqual([map.size, map.values(), map.get(1), map.get(10_000), map.delete(10_000)], [0, [], undefined, undefined, false]);
  map.set(10_001, 'later');
  assert.deepEqual([map.size, map.values()], [1, ['later']]);
});

test('numbers beyond 32 bits have a place', () => {
  const map = new AscendingMap();
  const last = Number.MAX_SAFE_INTEGER;
  for (let i = 5000; i >= 0; i--) map.set(last - i, last - i);
  for (let i = 5000; i >= 0; i--) assert.equal(map.get(last - i), last - i);
  assert.equal(map.size, 5001);
});

test('what has left does not survive the collections of the young', () => {
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc');
  const kept = (map) => {
    gc();
    const before = v8.getHeapStatistics().used_heap_size;
    for (let number = 1; number <= 200_000; number++) {
      map.set(number, { payload: new Array(20).fill(number) });
      if (number > 256) map.delete(number - 256);
      if (number % 5_000 === 0) gc({ type: 'minor' });
    }
    return v8.getHeapStatistics().used_heap_size - before;
  };
  const few = kept(new AscendingMap());
  assert.ok(few < 2 << 20, `${few} bytes of entries that have left are still there`);
});
