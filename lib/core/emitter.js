'use strict';
// Callbacks of the application run in the async context in which it gave them
// (AsyncLocalStorage), not in that of whoever made the engine wake up.

const { AsyncResource } = require('node:async_hooks');
const { EventEmitter } = require('node:events');

/** The async context of now: runInAsyncScope calls a function in it. */
const scope = () => new AsyncResource('ALKNET');

function scoped(listener) {
  if (typeof listener !== 'function') return listener; // EventEmitter says what is wrong
  const own = scope();
  const bound = function bound(...args) { return own.runInAsyncScope(listener, this, ...args); };
  bound.listener = listener; // by which off() and listeners() know it
  return bound;
}

function scopedOnce(emitter, event, listener) {
  if (typeof listener !== 'function') return listener;
  const bound = scoped(listener);
  const once = function once(...args) {
    emitter.removeListener(event, once);
    return bound.apply(this, args);
  };
  once.listener = listener;
  return once;
}

/** An EventEmitter whose listeners run in the context of their registration. */
class Emitter extends EventEmitter {
  on(event, listener) { return super.on(event, scoped(listener)); }
  addListener(event, listener) { return super.on(event, scoped(listener)); }
  prependListener(event, listener) { return super.prependListener(event, scoped(listener)); }
  once(event, listener) { return super.on(event, scopedOnce(this, event, listener)); }
  prependOnceListener(event, listener) { return super.prependListener(event, scopedOnce(this, event, listener)); }
}

module.exports = { Emitter, scope };
