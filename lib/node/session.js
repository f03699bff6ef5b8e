'use strict';

const { stringify } = require('../core/builtins.js');
const check = require('../core/check.js');
const { call, subscribe } = require('./request.js');
const { brand } = require('../core/symbols.js');

/**
 * A session of a server with another node, or the session that a request came on.
 * It calls the other node. Safe to keep: once it has ended its calls fail with
 * UNAVAILABLE.
 */
class Session {
  #engine;
  #number;

  /** `told` is what the engine knows of the peer. */
  constructor(engine, number, told) {
    this.#engine = engine;
    this.#number = number;
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
    this.#engine.send(`closeSession\t${this.#number}\t${stringify(check.string(reason, 'reason'))}\n`);
  }
}

const known = new WeakMap(); // what the engine knows of a dialled session's peer -> Session

/** The session of a number that this side has dialled: one object for all its requests. */
function dialledSession(engine, number) {
  const told = engine.peers.get(number);
  if (told === undefined) return new Session(engine, number, {}); // it has ended
  let session = known.get(told);
  if (session === undefined) known.set(told, session = new Session(engine, number, told));
  return session;
}

brand(Session, 'Session');

module.exports = { Session, dialledSession };
