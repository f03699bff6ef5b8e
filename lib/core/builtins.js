'use strict';
// Built-in functions as they were when the package was loaded. Test tools replace timers,
// process.nextTick, Date and performance.now later; the package must work all the same.
// test/js/builtins.test.mjs refuses other uses of them in lib/.

const { nextTick, hrtime } = process;
const { setImmediate, setTimeout, clearTimeout } = require('node:timers');
const { JSON, Date, Promise, queueMicrotask } = globalThis;
const { parse, stringify } = JSON;
const { bigint } = hrtime;
const { defineProperty } = Object;
const { captureStackTrace } = Error;

module.exports = {
  Date, Promise, parse, stringify, queueMicrotask, setImmediate, setTimeout, clearTimeout, defineProperty,
  nextTick: (callback, ...args) => nextTick.call(process, callback, ...args),
  /** Milliseconds of a clock that only goes forward. */
  now: () => Number(bigint.call(hrtime) / 1000n) / 1e3,
  /** Gives `target` a stack that begins at the caller of `below`. It may throw when it is read: see stackOf. */
  captureStackTrace: (target, below) => captureStackTrace.call(Error, target, below),
};
