'use strict';

const check = require('./options.js');
const { call, subscribe } = require('./request.js');

/**
 * A session of a server with another node, or the session that a request came on.
 * It calls the other node. Safe to keep: once it has ended its calls fail with
 * UNAVAILABLE.
 */
class Session {
  #engine;
  #number;

  constructor(engine, number, told = {}) {
    this.#engine = engine;
    this.#number = number;
    this._announce(told);
  }

  /** Takes what the engine tells of the other side. */
  _announce(told) {
    this.identity = told.identity ?? null;
    this.transport = told.transport;
    this.remoteAddress = told.remoteAddress;
    this.endpointId = told.endpointId || null;
  }

  /** Calls an operation of the other node. */
  call(operation, input, options) { return call(this.#engine, `s${this.#number}`, operation, input, options); }

  /** Subscribes to an operation of the other node. */
  subscribe(operation, input, options) { return subscribe(this.#engine, `s${this.#number}`, operation, input, options); }

  /** Ends the session at once. */
  close(reason = 'closed by the application') {
    this.#engine.send(`closeSession\t${this.#number}\t${JSON.stringify(check.string(reason, 'reason'))}\n`);
  }
}

module.exports = { Session };
