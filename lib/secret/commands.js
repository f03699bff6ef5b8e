'use strict';
// What the engine does with secrets, and how they come and go: as bytes in memory
// that can be wiped, never in a string.

const path = require('node:path');
const { isSharedArrayBuffer, isUint8Array } = require('node:util/types');
const check = require('../core/check.js');
const { Promise, nextTick, parse, stringify } = require('../core/builtins.js');
const { onAbort, reasonOf } = require('../core/abort.js');
const { fromEngine, here: stackBelow, stackOf } = require('../core/error.js');

// From here on work leaves JavaScript's thread: a hash of so many bytes takes as
// long as waking it up again.
const LARGE = 64 * 1024;
// The most that one call seals.
const MAX_PLAINTEXT = 32 * 1024 * 1024;

const NOTHING = new Uint8Array(0);
const MAX_SECRET = 64 * 1024; // bytes of a phrase or passphrase
const scratch = Buffer.alloc(128 * 1024); // for results that are not secret; the largest is a store's status

/** Memory of its own for a secret: small arrays may lie on the heap, where the collector leaves copies behind. */
const memory = (length) => new Uint8Array(new ArrayBuffer(length));

const json = (value) => (value === undefined ? '' : stringify(value));

/** Has the engine tell what happens in a store. */
function observe(engine, store) {
  engine.observing = true;
  run(engine, 'observe', store, true);
}

// What an operation at once has caused to be told is told at the end of this turn:
// it does not keep the process alive, which may have nothing else to do.
function pollSoon(engine) {
  if (engine.polling) return;
  engine.polling = true;
  nextTick(() => {
    engine.polling = false;
    engine.poll();
  });
}

/** Carries out an operation at once; the result is in output. Returns its length. */
function run(engine, name, handle, options, input, output) {
  const answer = engine.secret(name, handle, json(options), input ?? NOTHING, output ?? NOTHING);
  if (engine.observing) pollSoon(engine);
  if (typeof answer === 'number') return answer;
  throw fromEngine(parse(answer), undefined, here());
}

/** Carries out an operation that takes something away: there is nothing left of an engine that has ended. */
function release(engine, name, number, options) {
  if (engine.lost) return;
  try {
    run(engine, name, number, options);
  } catch (error) {
    if (!engine.lost) throw error;
  }
}

/** Carries out an operation whose result is secret and has at most `length` bytes. */
function runBytes(engine, name, handle, options, input, length) {
  const output = memory(length);
  const written = run(engine, name, handle, options, input, output);
  return written === length ? output : output.subarray(0, written);
}

/** Carries out an operation whose result is text, and not secret. */
function runText(engine, name, handle, options, input, length = scratch.length) {
  const output = length <= scratch.length ? scratch : Buffer.allocUnsafe(length);
  return output.toString('utf8', 0, run(engine, name, handle, options, input, output));
}

/**
 * Carries out an operation on a thread of the engine, which copies the input at
 * once. Gives its result as bytes; done is called when it has succeeded, and revoked
 * tells, as { error }, why it shall have failed all the same. owner is referenced until
 * the answer, so that its handle is not dropped meanwhile.
 */
function start(engine, name, handle, options, input, { second, signal, done, revoked, owner } = {}) {
  if (signal?.aborted) return Promise.reject(reasonOf(signal));
  const at = here();
  if (engine.lost) return Promise.reject(fromEngine(engine.whySecretsAreGone, undefined, at));
  const first = attached(engine, input);
  const other = attached(engine, second);
  return new Promise((resolve, reject) => {
    let stopWaiting;
    const finish = () => {
      engine.unpin();
      stopWaiting?.();
    };
    const number = engine.addRequest({
      owner,
      responded([result, length]) {
        finish();
        const bytes = memory(length);
        try {
          if (result !== 0) engine.take(result, bytes);
        } catch (error) { // the engine's process has ended
          reject(error);
          return;
        }
        const why = revoked?.(at);
        if (why !== undefined) {
          wipe(bytes);
          reject(why.error);
          return;
        }
        done?.();
        resolve(bytes);
      },
      event: () => {},
      completed: () => {},
      failed(payload) {
        finish();
        reject(payload.code === 'ABORTED' && signal?.aborted ? reasonOf(signal) : fromEngine(payload, undefined, at));
      },
    });
    if (signal !== undefined) stopWaiting = onAbort(signal, () => engine.send(`A\t${number}\t\n`));
    engine.pin();
    engine.send(`secret\t${number}\t${name}\t${handle}\t${json(options)}\t${first}\t${other}\n`);
    engine.flush(); // before what is done at once later in this turn
  });
}

const attached = (engine, bytes) => (bytes?.length > 0 ? engine.attach(bytes) : 0);

const OWN = path.join(__dirname, '..');

/** A stack that begins at the caller of this package, as far as there is one. */
function here() {
  const stack = stackOf(stackBelow(here));
  if (stack === undefined) return {};
  const [title, ...frames] = stack.split('\n');
  while (frames.length > 0 && frames[0].includes(OWN)) frames.shift();
  return { stack: [title, ...frames].join('\n') };
}

/** Bytes that an operation reads. */
function bytes(value, name) {
  if (!isUint8Array(value)) throw new TypeError(`${name} must be a Uint8Array, not ${check.describe(value)}`);
  return unshared(value, name);
}

// Another thread could change it between two looks of the engine.
function unshared(value, name) {
  if (isSharedArrayBuffer(value.buffer)) throw new TypeError(`${name} must not be in a SharedArrayBuffer: copy it`);
  return value;
}

/** The bytes of a phrase or passphrase, which may be a string, in memory that can be wiped. */
function secretBytes(value, name) {
  if (typeof value !== 'string' && !isUint8Array(value)) throw new TypeError(`${name} must be a Uint8Array or a string, not ${check.describe(value)}`);
  const size = Buffer.byteLength(value);
  if (size > MAX_SECRET) throw new RangeError(`${name} has ${size} bytes: want at most ${MAX_SECRET}`);
  if (typeof value !== 'string') return unshared(value, name);
  const encoded = memory(size);
  Buffer.from(encoded.buffer).write(value);
  return encoded;
}

/** Wipes what was given, whatever it is. */
function wipe(...values) {
  for (const value of values) if (isUint8Array(value)) value.fill(0);
}

/** What an operation on text reads. */
function textBytes(value, name) {
  if (typeof value === 'string') return Buffer.from(value);
  if (isUint8Array(value)) return bytes(value, name);
  throw new TypeError(`${name} must be a string or a Uint8Array, not ${check.describe(value)}`);
}

function keyPath(value) {
  if (typeof value !== 'string') throw new TypeError(`the path must be a string such as "m/74'/0'/0'/0'", not ${check.describe(value)}`);
  return value;
}

module.exports = {
  LARGE, MAX_PLAINTEXT, memory, observe, release, run, runBytes, runText, start, bytes, secretBytes, textBytes, wipe, path: keyPath,
};
