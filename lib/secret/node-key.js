'use strict';

const { parse } = require('../core/builtins.js');
const { inspect } = require('node:util');
const { AlknetError } = require('../core/error.js');
const secrets = require('./commands.js');
const { brand, kEngine, kNumber, kReady } = require('../core/symbols.js');

/**
 * An Ed25519 key of a store, for the option identity of connect and serve: what
 * proves it is signed in the store. Made by SecretStore.identity.
 */
class SecretIdentity {
  #store; // kept alive by its identities
  #engine;
  #number;
  #told;

  constructor(store, path) {
    this.#store = store;
    this.#told = this.#make(secrets.path(path));
  }

  /** Has the engine of the store make it, under a number. */
  #make(path) {
    const { [kEngine]: engine, [kNumber]: handle } = this.#store;
    const number = engine.secretNumber();
    const told = parse(secrets.runText(engine, 'identity', handle, { identity: number, path }));
    engine.hold(this, () => secrets.release(engine, 'forget', number));
    this.#engine = engine;
    this.#number = number;
    return told;
  }

  get store() { return this.#store; }
  get path() { return this.#told.path; }
  get publicKey() { return this.#told.publicKey; }
  get endpointId() { return this.#told.endpointId; }
  get fingerprint() { return this.#told.fingerprint; }

  /** The engine that knows it: another one than at first if that has ended since, and the store was unlocked again. */
  [kReady]() {
    if (this.#store[kEngine] !== this.#engine || this.#engine.lost) {
      const { endpointId } = this.#make(this.#told.path);
      if (endpointId !== this.#told.endpointId) throw new AlknetError('LOCKED', 'the store was unlocked with another phrase than the one that this identity is of');
    }
    return this.#engine;
  }

  /** The number for the engine. */
  get [kNumber]() { return this.#number; }

  toJSON() { return { ...this.#told }; }
  [inspect.custom](_depth, options) { return `SecretIdentity ${inspect(this.#told, options)}`; }
}

brand(SecretIdentity, 'SecretIdentity');

module.exports = { SecretIdentity };
