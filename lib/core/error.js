'use strict';

const { captureStackTrace, defineProperty, stringify } = require('./builtins.js');

const brand = Symbol.for('alknet.AlknetError');
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;

/** A failure of the call protocol, of either side. */
class AlknetError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ retryable?: boolean, details?: unknown, operation?: string, cause?: unknown }} [options]
   */
  constructor(code, message, options = {}) {
    if (typeof code !== 'string' || !CODE.test(code)) {
      throw new TypeError(`the code of an AlknetError must be 1 to 64 of A-Z, 0-9 and _, beginning with a letter, not ${typeof code === 'string' ? stringify(code.slice(0, 80)) : `of type ${typeof code}`}`);
    }
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? retryableCodes.has(code);
    if (options.details !== undefined) this.details = options.details;
    if (options.operation !== undefined) this.operation = options.operation;
  }

  get [brand]() { return true; }

  toJSON() { return { name: this.name, message: this.message, ...this }; }

  /** Also true of errors made by another copy of this package. */
  static [Symbol.hasInstance](value) {
    if (this !== AlknetError) return Function.prototype[Symbol.hasInstance].call(this, value); // a subclass
    return typeof value === 'object' && value !== null && value[brand] === true;
  }
}
defineProperty(AlknetError.prototype, 'name', { value: 'AlknetError', configurable: true, writable: true });

const retryableCodes = new Set(['TIMEOUT', 'UNAVAILABLE', 'RESOURCE_EXHAUSTED']);

/** The stack that captureStackTrace made; undefined where the application's Error.prepareStackTrace gives none. */
function stackOf(at) {
  try {
    const { stack } = at;
    return typeof stack === 'string' ? stack : undefined;
  } catch {
    return undefined;
  }
}

/** Where the caller of `below` is, for fromEngine. */
function here(below) {
  const at = {};
  captureStackTrace(at, below);
  return at;
}

/**
 * Makes the error that the engine reported. `at` was made where the caller called:
 * its stack replaces that of the event loop.
 */
function fromEngine(object, operation, at) {
  const code = CODE.test(object.code) ? object.code : 'INTERNAL';
  const error = new AlknetError(code, object.message, { retryable: object.retryable, details: object.details, operation, cause: object.cause });
  if (object.sent !== undefined) error.sent = object.sent;
  const stack = at && stackOf(at);
  if (stack !== undefined) {
    const frames = stack.indexOf('\n');
    defineProperty(error, 'stack', { value: `${error.name} [${error.code}]: ${error.message}${frames < 0 ? '' : stack.slice(frames)}`, configurable: true, writable: true });
  }
  return error;
}

/** The error object that travels to a caller; without the details if they are not JSON. */
function toEngine({ code, message, retryable, details }) {
  const object = { code, message: String(message), retryable: Boolean(retryable) };
  try {
    return stringify({ ...object, details });
  } catch {
    return stringify(object);
  }
}

/** What was thrown, in a few words. Anything can be thrown, also null and a revoked proxy. */
function describeThrown(value) {
  try {
    if (typeof value === 'object' && value !== null && typeof value.message === 'string') return value.message;
    return String(value);
  } catch {
    return 'a value that cannot be shown';
  }
}

module.exports = { AlknetError, fromEngine, toEngine, here, stackOf, describeThrown };
