'use strict';
// What all copies of this package in a thread have in common, of whatever release. It hangs
// on the one listener for the end of the thread, by which copies find each other: a test
// runner loads the package again for each file, and each copy's own listener would stay.

const key = Symbol.for('alknet.shared');

/** { ends, warned }: functions that are called when the thread ends, and the warnings that were given. */
function shared() {
  for (const listener of process.listeners('exit')) if (listener[key] !== undefined) return listener[key];
  const state = { ends: new Set(), warned: new Set() };
  const onExit = () => {
    for (const end of state.ends) {
      try {
        end();
      } catch {} // the others shall end all the same
    }
  };
  onExit[key] = state;
  process.on('exit', onExit);
  return state;
}

module.exports = { shared };
