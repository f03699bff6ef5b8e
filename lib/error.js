'use strict';

const brand = Symbol.for('alknet.AlknetError');

/** A failure of the call protocol, of either side. */
class AlknetError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ retryable?: boolean, details?: unknown, operation?: string, cause?: unknown }} [options]
   */
  constructor(code, message, options = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? retryableCodes.has(code);
    if (options.details !== undefined) this.details = options.details;
    if (options.operation !== undefined) this.operation = options.operation;
  }

  get [brand]() { return true; }

  /** Also true of errors made by another copy of this package. */
  static [Symbol.hasInstance](value) {
    if (this !== AlknetError) return Function.prototype[Symbol.hasInstance].call(this, value); // a subclass
    return typeof value === 'object' && value !== null && value[brand] === true;
  }
}
Object.defineProperty(AlknetError.prototype, 'name', { value: 'AlknetError', configurable: true, writable: true });

const retryableCodes = new Set(['TIMEOUT', 'UNAVAILABLE', 'RESOURCE_EXHAUSTED']);

/**
 * Makes the error that the engine reported. `at` was made where the caller called:
 * its stack replaces that of the event loop.
 */
function fromEngine(object, operation, at) {
  const error = new AlknetError(object.code, object.message, { retryable: object.retryable, details: object.details, operation, cause: object.cause });
  if (at?.stack) {
    const frames = at.stack.indexOf('\n');
    error.stack = `${error.name} [${error.code}]: ${error.message}${frames < 0 ? '' : at.stack.slice(frames)}`;
  }
  return error;
}

/** The error object that travels to a caller; without the details if they are not JSON. */
function toEngine({ code, message, retryable, details }) {
  const object = { code, message: String(message), retryable: Boolean(retryable) };
  try {
    return JSON.stringify({ ...object, details });
  } catch {
    return JSON.stringify(object);
  }
}

module.exports = { AlknetError, fromEngine, toEngine };
