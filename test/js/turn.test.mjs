// How much of what the engine tells is handled in one turn of the event loop. In place
// of the addon stands a pipe that the test fills.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

test('a turn takes a bounded amount, and the next one goes on', async () => {
  let wake;
  let waiting = [];
  let polls = 0;
  const stand = {
    open(onWake) { wake = onWake; },
    close() {},
    submit() {},
    poll() {
      polls++;
      return waiting.shift();
    },
  };
  const { Engine } = require('../../lib/engine/pipe.js');
  new Engine('addon', () => stand).start();

  const log = (size) => JSON.stringify([15, 0, { message: 'x'.repeat(size) }]);
  const turn = () => new Promise(setImmediate);
  for (const [batches, size, each] of [[10, 40_000, 2], [3, 1_000_000, 1], [12, 60_000, 2]]) {
    waiting = Array.from({ length: batches }, () => log(size));
    wake();
    for (let left = batches - each; left > 0; left -= each) {
      assert.equal(waiting.length, left);
      await turn();
    }
    await turn();
    assert.equal(waiting.length, 0);
  }
  // What is small is taken in one turn, and the last poll finds nothing.
  waiting = Array.from({ length: 100 }, () => log(10));
  polls = 0;
  wake();
  assert.equal(polls, 101);
});
