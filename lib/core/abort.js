'use strict';
// AbortSignals of the application: of this realm, of another one, or of a polyfill.

/** Listeners of one signal: callback -> how often. There is one listener on the signal, however many wait for it. */
const waiting = new WeakMap(); // signal -> { callbacks, listener }

/** Why a signal is aborted; polyfills have no reason. */
function reasonOf(signal) {
  return signal.reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : signal.reason;
}

/** Calls `callback` once when the signal is aborted. Returns a function that ends that. */
function onAbort(signal, callback) {
  let entry = waiting.get(signal);
  if (entry === undefined) {
    const callbacks = new Set();
    const listener = () => {
      waiting.delete(signal);
      signal.removeEventListener?.('abort', listener);
      for (const call of callbacks) call();
    };
    entry = { callbacks, listener };
    waiting.set(signal, entry);
    signal.addEventListener('abort', listener, { once: true });
  }
  const once = () => callback(); // the same callback may wait twice
  entry.callbacks.add(once);
  return () => {
    if (!entry.callbacks.delete(once) || entry.callbacks.size > 0 || waiting.get(signal) !== entry) return;
    waiting.delete(signal);
    signal.removeEventListener?.('abort', entry.listener);
  };
}

module.exports = { onAbort, reasonOf };
