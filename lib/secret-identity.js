'use strict';

const { inspect } = require('node:util');
const engine = require('./engine.js');
const secrets = require('./secret-engine.js');

const dropped = new FinalizationRegistry((number) => secrets.run('forget', number));

/**
 * An Ed25519 key of a store, for the option identity of connect and serve: what
 * proves it is signed in the store. Made by SecretStore.identity.
 */
class SecretIdentity {
  #store; // kept alive by its identities
  #number = engine.secretNumber();
  #told;

  constructor(store, handle, path) {
    this.#told = JSON.parse(secrets.runText('identity', handle, { identity: this.#number, path: secrets.path(path) }));
    dropped.register(this, this.#number);
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
