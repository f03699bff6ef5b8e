'use strict';
// Calls and subscriptions that this side makes.

const diagnostics = require('node:diagnostics_channel');
const check = require('../core/check.js');
const { Promise, captureStackTrace, stringify } = require('../core/builtins.js');
const abort = require('../core/abort.js');
const { scope } = require('../core/emitter.js');
const { fromEngine, here } = require('../core/error.js');
const { brand } = require('../core/symbols.js');

const started = diagnostics.channel('alknet:call:start');
const ended = diagnostics.channel('alknet:call:end');
const failed = diagnostics.channel('alknet:call:error');

const CALL_OPTIONS = ['signal', 'timeout', 'metadata', 'authToken'];
const INVOKE_OPTIONS = ['signal', 'timeout', 'metadata', 'continueRunning'];
const SUBSCRIBE_OPTIONS = [...CALL_OPTIONS, 'idleTimeout', 'window'];
const DEFAULT_WINDOW = 256;
const MAX_WINDOW = 1 << 20;
const COMPACT_AFTER = 1024; // events

/** The options as the engine reads them; '' when there are none. */
function engineOptions(options, names, where) {
  if (options === undefined) return '';
  check.known(options, names, where);
  const out = {};
  let any = false;
  if (options.signal !== undefined) check.signal(options.signal);
  if (options.timeout !== undefined) { out.timeout = check.milliseconds(options.timeout, 'timeout'); any = true; }
  if (options.idleTimeout !== undefined) { out.idleTimeout = check.milliseconds(options.idleTimeout, 'idleTimeout'); any = true; }
  if (options.window !== undefined) { out.window = check.integer(options.window, 'window', 1, MAX_WINDOW); any = true; }
  if (options.continueRunning !== undefined) { out.continueRunning = check.boolean(options.continueRunning, 'continueRunning'); any = true; }
  if (options.authToken !== undefined) { out.authToken = check.string(options.authToken, 'authToken'); any = true; }
  if (options.metadata !== undefined) {
    if (typeof options.metadata !== 'object' || options.metadata === null) throw new TypeError('the option metadata must be an object of strings');
    for (const [key, value] of Object.entries(options.metadata)) check.string(value, `metadata.${key}`);
    out.metadata = options.metadata;
    any = true;
  }
  return any ? stringify(out) : '';
}

/** What was begun and is to be undone at the end of a request. */
class Watch {
  constructor(engine, signal, number) {
    this.end = abort.onAbort(signal, () => engine.send(`A\t${number}\t"the caller's signal was aborted"\n`));
  }
}

/** The error of a request, with the signal's own reason if that ended it. */
function reasonOf(payload, operation, signal, at) {
  if (payload.code === 'ABORTED' && signal?.aborted) return abort.reasonOf(signal);
  return fromEngine(payload, operation, at);
}

/** Calls an operation of `target` and gives its output. */
function call(engine, target, operation, input, options) {
  return begin(engine, target, operation, input, options, engineOptions(options, CALL_OPTIONS, 'call'));
}

/** Calls an operation on behalf of the handler of the incoming request `number`. */
function invoke(engine, number, operation, input, options) {
  return begin(engine, `i${number}`, operation, input, options, engineOptions(options, INVOKE_OPTIONS, 'invoke'));
}

/** A call under way. What the engine tells of it settles its promise. */
class Call {
  constructor(engine, operation, signal, context, resolve) {
    this.engine = engine;
    this.operation = operation;
    this.signal = signal;
    this.context = context; // for the diagnostics channels; undefined while they have no subscriber
    this.scope = context && scope();
    this.resolve = resolve;
    this.watch = undefined;
  }

  responded(output) {
    this.#end();
    if (this.context) this.scope.runInAsyncScope(ended.publish, ended, this.context);
    this.resolve(output);
  }

  completed() { this.failed({ code: 'INTERNAL', message: 'the operation ended without an answer', retryable: false }); }

  failed(payload) {
    this.#end();
    this.resolve(this.#rejection(payload));
  }

  // The error is made where V8 knows who awaits it: its stack shows the caller without
  // one being captured for each call, which would cost as much as everything else that
  // JavaScript does for it. V8 follows the promise of this function to that of the
  // call, which has been resolved with it once what was queued before has run.
  async #rejection(payload) {
    await undefined;
    await undefined;
    const at = {};
    captureStackTrace(at, this.#rejection);
    const error = reasonOf(payload, this.operation, this.signal, at);
    if (this.context) this.scope.runInAsyncScope(failed.publish, failed, { ...this.context, error });
    throw error;
  }

  #end() {
    this.engine.unpin();
    this.watch?.end();
  }
}

function begin(engine, target, operation, input, options, text) {
  check.operationName(operation);
  const body = check.json(input, operation);
  const signal = options?.signal;
  if (signal?.aborted) return Promise.reject(abort.reasonOf(signal));
  const context = started.hasSubscribers || ended.hasSubscribers || failed.hasSubscribers ? { operation } : undefined;
  let request;
  const answer = new Promise((resolve) => { request = new Call(engine, operation, signal, context, resolve); });
  const number = engine.addRequest(request);
  engine.pin();
  if (context) started.publish(context);
  if (signal) request.watch = new Watch(engine, signal, number);
  engine.send(`C\t${target}\t${number}\t${operation}\t${text}\t${body}\n`);
  return answer;
}

/** The events of a subscription, for one consumer. */
class Subscription {
  #engine;
  #target;
  #operation;
  #body;
  #text;
  #signal;
  #window;
  #at;
  #number = 0; // 0: not begun
  #watch;
  #events = []; // that wait, from #first on
  #first = 0; // shift() would move all that is left, each time
  #read = 0;
  #waiting = [];
  #over = false; // nothing comes any more
  #error;
  #released = false;

  constructor(engine, target, operation, body, text, options, at) {
    this.#engine = engine;
    this.#target = target;
    this.#operation = operation;
    this.#body = body;
    this.#text = text;
    this.#signal = options?.signal;
    this.#window = options?.window ?? DEFAULT_WINDOW;
    this.#at = at;
    this.#begin();
  }

  #begin() {
    if (this.#signal?.aborted) {
      this.#over = true;
      this.#released = true;
      this.#error = abort.reasonOf(this.#signal);
      return;
    }
    const self = this;
    this.#number = this.#engine.addRequest({
      responded: () => {},
      event: (output) => self.#onEvent(output),
      completed: () => self.#end(undefined),
      failed: (payload) => self.#end(reasonOf(payload, self.#operation, self.#signal, self.#at)),
    });
    this.#engine.pin();
    if (this.#signal) this.#watch = new Watch(this.#engine, this.#signal, this.#number);
    this.#engine.send(`S\t${this.#target}\t${this.#number}\t${this.#operation}\t${this.#text}\t${this.#body}\n`);
  }

  #onEvent(output) {
    if (this.#over) return;
    const waiter = this.#waiting.shift();
    if (waiter === undefined) {
      this.#events.push(output);
      return;
    }
    this.#consumed();
    waiter.resolve({ value: output, done: false });
  }

  #take() {
    const value = this.#events[this.#first];
    this.#events[this.#first++] = undefined;
    if (this.#first === this.#events.length || this.#first === COMPACT_AFTER) {
      this.#events.splice(0, this.#first);
      this.#first = 0;
    }
    return value;
  }

  #consumed() {
    if (++this.#read < (this.#window + 1) >> 1) return;
    if (!this.#over) this.#engine.send(`K\t${this.#number}\t${this.#read}\n`);
    this.#read = 0;
  }

  #end(error) {
    if (this.#released) return;
    this.#released = true;
    if (!this.#over) this.#error = error; // else the reader has left, and wants to know of nothing
    this.#over = true;
    this.#watch?.end();
    this.#engine.unpin();
    for (const waiter of this.#waiting.splice(0)) {
      if (this.#error !== undefined) {
        waiter.reject(this.#error);
        this.#error = undefined;
      } else {
        waiter.resolve({ value: undefined, done: true });
      }
    }
  }

  [Symbol.asyncIterator]() { return this; }

  /** The next event; events that came before an error are given first. */
  next() {
    if (this.#first < this.#events.length) {
      const value = this.#take();
      this.#consumed();
      return Promise.resolve({ value, done: false });
    }
    if (this.#over) {
      if (this.#error === undefined) return Promise.resolve({ value: undefined, done: true });
      const error = this.#error;
      this.#error = undefined; // told once; after that it has simply ended
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Stops the subscription on both sides; `break` in for await calls it. */
  return(value) {
    if (!this.#over) this.#engine.send(`A\t${this.#number}\t"the subscriber stopped"\n`);
    this.#over = true;
    this.#events = [];
    this.#first = 0;
    this.#error = undefined;
    for (const waiter of this.#waiting.splice(0)) waiter.resolve({ value: undefined, done: true });
    return Promise.resolve({ value, done: true });
  }

  /** Stops the subscription and fails this one call. */
  throw(error) {
    this.return();
    return Promise.reject(error);
  }

  [Symbol.asyncDispose]() { return this.return().then(() => {}); }
}

function subscribe(engine, target, operation, input, options) {
  check.operationName(operation);
  const text = engineOptions(options, SUBSCRIBE_OPTIONS, 'subscribe');
  const at = here(subscribe);
  return new Subscription(engine, target, operation, check.json(input, operation), text, options, at);
}

brand(Subscription, 'Subscription');

module.exports = { call, invoke, subscribe, Subscription };
