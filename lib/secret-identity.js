'use strict';

const { inspect } = require('node:util');
const secrets = require('./secret-engine.js');

const dropped = new FinalizationRegistry(({ engine, number }) => secrets.run(engine, 'forget', number));

/**
 * An Ed25519 key of a store, for the option identity of connect and serve: what
 * proves it is signed in the store. Made by SecretStore.identity.
 */
class SecretIdentity {
  #store; // kept alive by its identities
  #number;
  #told;

  constructor(store, handle, path) {
    const engine = store._engine;
    this.#number = engine.secretNumber();
    this.#told = JSON.parse(secrets.runText(engine, 'identity', handle, { identity: this.#number, path: secrets.path(path) }));
    dropped.register(this, { engine, number: this.#number });
    this.#store = store;
  }

  get store() { return this.#store; }
  get path() { return this.#told.path; }
  get publicKey() { return this.#told.publicKey; }
  get endpointId() { return this.#told.endpointId; }
  get fingerprint() { return this.#told.fingerprint; }

  /** The number for the engine. */
  get _number() { return this.#number; }

  toJSON() { return { ...this.#told }; }
  [inspect.custom](_depth, options) { return `SecretIdentity ${inspect(this.#told, options)}`; }
}

module.exports = { SecretIdentity };
