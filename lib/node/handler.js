'use strict';
// Requests of other nodes, answered by handlers in JavaScript.

const check = require('../core/check.js');
const { credentialFor, staysLocal } = require('../credential/store.js');
const { Promise, setImmediate } = require('../core/builtins.js');
const { AlknetError, fromEngine, toEngine } = require('../core/error.js');
const { invoke, subscribe } = require('./request.js');
const { kEngine, kHandlerError } = require('../core/symbols.js');

/** One request, as its handler sees it. */
class Context {
  #engine;
  #number;
  #controller;
  #cause;
  #credentials;

  constructor(engine, number, session, operation, told, handlerIdentity, credentials) {
    this.#engine = engine;
    this.#credentials = credentials;
    this.#number = number;
    this.session = session;
    this.operation = operation;
    this.requestId = told.requestId;
    this.parentRequestId = told.parentRequestId;
    this.identity = told.identity;
    this.forwardedFor = told.forwarded ? told.identity : undefined;
    this.handlerIdentity = handlerIdentity;
    this.metadata = told.metadata ?? {};
    this.deadline = told.deadline;
  }

  /** Aborted when the caller stops waiting, its deadline passes or the session ends. */
  get signal() {
    this.#controller ??= new AbortController();
    if (this.#cause !== undefined) this.#controller.abort(this.#cause);
    return this.#controller.signal;
  }

  // Getters, so that handlers can take them out of the context: (input, { invoke }).

  /** Calls /namespace/op on behalf of this handler, wherever it is. */
  get invoke() {
    return (namespace, op, input, options) => invoke(this.#engine, this.#number, operationOf(namespace, op), input, options);
  }

  /** Subscribes to /namespace/op on behalf of this handler, wherever it is. */
  get subscribe() {
    return (namespace, op, input, options) => subscribe(this.#engine, `i${this.#number}`, operationOf(namespace, op), input, options);
  }

  /** What this node signs in to a service with, if the handler's registration lists it. */
  get credentials() {
    return (service) => credentialFor(this.#credentials, service, this);
  }

  static cancel(context, cause) {
    context.#cause = cause;
    context.#controller?.abort(cause);
  }
}

function operationOf(namespace, op) {
  check.string(namespace, 'namespace');
  check.string(op, 'op');
  return check.operationName(`/${namespace}/${op}`);
}

const INTERNAL = '{"code":"INTERNAL","message":"the operation failed; its node has logged why","retryable":false}';

/** The error object that the caller may see; undefined for what stays here. Never throws. */
function answerOf(error) {
  try {
    return error instanceof AlknetError && typeof error.code === 'string' && !staysLocal(error) ? toEngine(error) : undefined;
  } catch {
    return undefined; // anything can be thrown, a revoked proxy too
  }
}

function isAbortError(error) {
  try {
    return error.name === 'AbortError';
  } catch {
    return false;
  }
}

/** Runs a handler for the incoming request `number` and sends what it gives. */
function run(node, number, operation, kind, told, input, session, entry) {
  const { handler, identity, credentials } = entry;
  const engine = node[kEngine];
  const context = new Context(engine, number, session, operation, told, identity, credentials);
  const request = {
    over: false,
    room: told.window ?? Infinity, // without a window the engine bounds the buffer
    onRoom: undefined,
    onCancel: undefined,
    credit(n) {
      this.room += n;
      this.onRoom?.();
    },
    cancelled(cause) {
      if (this.over) return; // it was answered while this was under way
      this.over = true;
      engine.unpin();
      entry.scope.runInAsyncScope(() => {
        Context.cancel(context, fromEngine(cause, operation));
        this.onRoom?.();
        this.onCancel?.();
      });
    },
  };
  engine.incoming.set(number, request);
  engine.pin();

  const finish = (command) => {
    if (request.over) return;
    request.over = true;
    engine.unpin();
    engine.send(command);
  };
  const fail = (error) => {
    const answer = answerOf(error);
    const { over } = request;
    finish(`F\t${number}\t${answer ?? INTERNAL}\n`);
    // A handler that stops because its signal told it to has not failed.
    if (answer === undefined && !(over && isAbortError(error))) node[kHandlerError](error, operation);
  };

  entry.scope.runInAsyncScope(() => answer(kind, { engine, request, number, operation, handler, input, context, finish, fail }));
}

/** Runs the handler, in the async context of its registration. */
function answer(kind, { engine, request, number, operation, handler, input, context, finish, fail }) {
  if (kind === 'call') {
    Promise.resolve().then(() => handler(input, context))
      .then((output) => finish(`R\t${number}\t${check.json(output, operation)}\n`)).catch(fail);
  } else {
    produce(engine, request, number, operation, handler, input, context, fail).then(() => finish(`D\t${number}\n`), fail);
  }
}

const CANCELLED = Symbol('cancelled');

// Events between two turns of the event loop: a caller that takes any number must not
// keep everything else from running, its own end included.
const MAX_BURST = 256;

/**
 * The iterator of what a handler returned; undefined for what has none. A stream's own
 * iterator ends only when its next chunk has come: here return() closes it at once.
 */
function events(source) {
  if (typeof source?.getReader === 'function') { // a web stream
    const reader = source.getReader();
    return { next: () => reader.read(), return: () => reader.cancel() };
  }
  const iterator = source?.[Symbol.asyncIterator]?.() ?? source?.[Symbol.iterator]?.();
  if (!iterator || typeof source.destroy !== 'function' || typeof source.pipe !== 'function') return iterator;
  return { // a stream of Node.js
    next: () => iterator.next(),
    return: () => {
      source.destroy();
      return iterator.return?.();
    },
  };
}

/** Sends the events of a handler's iterable, as fast as the caller takes them. */
async function produce(engine, request, number, operation, handler, input, context, fail) {
  const iterator = events(await handler(input, context));
  if (!iterator) throw new TypeError(`the handler of the subscription ${operation} must return an iterable or be a generator`);
  let burst = 0;
  let exhausted = false; // it has ended or failed by itself
  try {
    for (;;) {
      while (request.room <= 0 && !request.over) await new Promise((resolve) => { request.onRoom = resolve; });
      request.onRoom = undefined;
      if (request.over) return;
      // The end of the request must not wait for a handler that waits for something
      // else. A new promise each time: one that is raced for ever keeps every loser.
      exhausted = true;
      const step = await new Promise((resolve, reject) => {
        request.onCancel = () => resolve(CANCELLED);
        Promise.resolve(iterator.next()).then(resolve, (error) => (request.over ? fail : reject)(error));
      });
      exhausted = step.done === true;
      if (exhausted || request.over) return;
      let { value } = step;
      if (typeof value?.then === 'function') value = await value; // as for await does
      if (request.over) return;
      request.room--;
      engine.send(`E\t${number}\t${check.json(value, operation)}\n`);
      if (++burst === MAX_BURST) {
        burst = 0;
        await new Promise(setImmediate);
      }
    }
  } finally {
    request.onCancel = undefined;
    // Not awaited: a generator that is stuck in an await would keep it waiting.
    if (!exhausted) Promise.resolve().then(() => iterator.return?.()).catch(fail);
  }
}

module.exports = { run };
