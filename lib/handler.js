'use strict';
// Requests of other nodes, answered by handlers in JavaScript.

const engine = require('./engine.js');
const check = require('./options.js');
const { AlknetError, toEngine } = require('./error.js');

/** One request, as its handler sees it. */
class Context {
  #controller;
  #cause;

  constructor(session, operation, told) {
    this.session = session;
    this.operation = operation;
    this.requestId = told.requestId;
    this.parentRequestId = told.parentRequestId;
    this.identity = told.identity;
    this.metadata = told.metadata ?? {};
    this.deadline = told.deadline;
  }

  /** Aborted when the caller stops waiting, its deadline passes or the session ends. */
  get signal() {
    this.#controller ??= new AbortController();
    if (this.#cause !== undefined) this.#controller.abort(this.#cause);
    return this.#controller.signal;
  }

  static cancel(context, cause) {
    context.#cause = cause;
    context.#controller?.abort(cause);
  }
}

const CODES = { aborted: 'ABORTED', timeout: 'TIMEOUT', disconnected: 'UNAVAILABLE' };

/** Runs a handler for the incoming request `number` and sends what it gives. */
function run(node, number, operation, kind, told, input, session, handler) {
  const context = new Context(session, operation, told);
  const request = {
    over: false,
    room: told.window ?? Infinity, // without a window the engine bounds the buffer
    onRoom: undefined,
    onCancel: undefined,
    credit(n) {
      this.room += n;
      this.onRoom?.();
    },
    cancelled({ reason, message }) {
      this.over = true;
      engine.unpin();
      Context.cancel(context, new AlknetError(CODES[reason] ?? 'ABORTED', message, { operation }));
      this.onRoom?.();
      this.onCancel?.();
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
    if (error instanceof AlknetError) {
      let object;
      try {
        object = toEngine(error);
      } catch {
        object = toEngine(new AlknetError(error.code, error.message, { retryable: error.retryable }));
      }
      finish(`F\t${number}\t${object}\n`);
      return;
    }
    finish(`F\t${number}\t{"code":"INTERNAL","message":"the operation failed; its node has logged why","retryable":false}\n`);
    node.reportHandlerError(error, operation);
  };

  if (kind === 'call') {
    Promise.resolve().then(() => handler(input, context))
      .then((output) => finish(`R\t${number}\t${check.json(output, operation)}\n`)).catch(fail);
  } else {
    produce(request, number, operation, handler, input, context).then(() => finish(`D\t${number}\n`), fail);
  }
}

/** Sends the events of a handler's iterable, as fast as the caller takes them. */
async function produce(request, number, operation, handler, input, context) {
  const iterable = await handler(input, context);
  const iterator = iterable?.[Symbol.asyncIterator]?.() ?? iterable?.[Symbol.iterator]?.();
  if (!iterator) throw new TypeError(`the handler of the subscription ${operation} must return an iterable or be a generator`);
  try {
    for (;;) {
      while (request.room <= 0 && !request.over) await new Promise((resolve) => { request.onRoom = resolve; });
      request.onRoom = undefined;
      if (request.over) return;
      // The end of the request must not wait for a handler that waits for something
      // else. A new promise each time: one that is raced for ever keeps every loser.
      const step = await new Promise((resolve, reject) => {
        request.onCancel = resolve;
        Promise.resolve(iterator.next()).then(resolve, reject);
      });
      if (step === undefined || request.over || step.done) return;
      request.room--;
      engine.send(`E\t${number}\t${check.json(step.value, operation)}\n`);
    }
  } finally {
    // Not awaited: a generator that is stuck in an await would keep it waiting.
    Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

module.exports = { run };
