'use strict';
// Keys that are derived from a store, and stay in it.

const { stringify } = require('../core/builtins.js');
const { inspect } = require('node:util');
const check = require('../core/check.js');
const secrets = require('./commands.js');
const { brand, kEngine, kStart, kText } = require('../core/symbols.js');

const TYPES = ['ed25519', 'secp256k1', 'aes-256-gcm'];
const PUBLIC = { ed25519: 32, secp256k1: 33, 'aes-256-gcm': 0 }; // bytes
const SIGNATURE = { ed25519: 64, secp256k1: 65, 'aes-256-gcm': 0 };
const SEAL = 28; // bytes that sealing adds: nonce and tag

function keyType(type) {
  if (typeof type !== 'string') throw new TypeError(`the type of a key must be a string, not ${check.describe(type)}`);
  if (!TYPES.includes(type)) throw new RangeError(`there is no type of key ${stringify(type.slice(0, 40))}: want ${TYPES.join(', ')}`);
  return type;
}

/** A plaintext, and the option to keep it. */
function sealing(plaintext, options, names, where) {
  check.known(options, names, where);
  if (options?.wipe !== undefined) check.boolean(options.wipe, 'wipe');
  const data = secrets.bytes(plaintext, 'the plaintext');
  if (data.length > secrets.MAX_PLAINTEXT) throw new RangeError(`the plaintext has ${data.length} bytes: want at most ${secrets.MAX_PLAINTEXT}`);
  return { data, done: options?.wipe === false ? undefined : () => secrets.wipe(data) };
}

/** A derived key: it can be used, and not read. Made by SecretStore.derive. */
class SecretKey {
  #store; // kept alive by its keys
  #engine;
  #number;
  #type;
  #path;
  #public;

  constructor(store, handle, path, type) {
    secrets.path(path);
    this.#type = keyType(type);
    const engine = store[kEngine];
    const number = engine.secretNumber();
    this.#engine = engine;
    this.#number = number;
    const answer = Buffer.allocUnsafe(256);
    const length = secrets.run(this.#engine, 'derive', handle, { key: this.#number, path, type }, undefined, answer);
    engine.hold(this, () => secrets.release(engine, 'forget', number)); // not `this`, which could never be dropped then
    this.#store = store;
    this.#public = Uint8Array.prototype.slice.call(answer, 0, PUBLIC[type]);
    this.#path = answer.latin1Slice(PUBLIC[type], length);
  }

  get path() { return this.#path; }
  get type() { return this.#type; }
  get store() { return this.#store; }

  /** A copy of the public key; null for a sealing key. */
  get publicKey() { return this.#public.length > 0 ? this.#public.slice() : null; }

  async sign(message) {
    const data = secrets.bytes(message, 'the message');
    if (data.length < secrets.LARGE) return this.signSync(data);
    return secrets.start(this.#engine, 'sign', this.#number, undefined, data, { owner: this });
  }

  signSync(message) {
    return secrets.runBytes(this.#engine, 'sign', this.#number, undefined, secrets.bytes(message, 'the message'), SIGNATURE[this.#type]);
  }

  async seal(plaintext, options) {
    const { data, done } = sealing(plaintext, options, ['wipe'], 'seal');
    if (data.length < secrets.LARGE) return this.#seal(data, done);
    return secrets.start(this.#engine, 'seal', this.#number, undefined, data, { done, owner: this });
  }

  sealSync(plaintext, options) {
    const { data, done } = sealing(plaintext, options, ['wipe'], 'seal');
    return this.#seal(data, done);
  }

  #seal(data, done) {
    const sealed = secrets.runBytes(this.#engine, 'seal', this.#number, undefined, data, data.length + SEAL);
    done?.();
    return sealed;
  }

  async open(sealed) {
    const data = secrets.bytes(sealed, 'the sealed data');
    if (data.length < secrets.LARGE) return this.openSync(data);
    return secrets.start(this.#engine, 'open', this.#number, undefined, data, { owner: this });
  }

  openSync(sealed) {
    const data = secrets.bytes(sealed, 'the sealed data');
    return secrets.runBytes(this.#engine, 'open', this.#number, undefined, data, Math.max(0, data.length - SEAL));
  }

  async exportPrivateKey() { return this.exportPrivateKeySync(); }

  exportPrivateKeySync() { return secrets.runBytes(this.#engine, 'exportPrivateKey', this.#number, undefined, undefined, 32); }

  /** An operation of the engine whose result is text and not secret. */
  [kText](name, options, input) { return secrets.runText(this.#engine, name, this.#number, options, input); }

  /** The same on a thread of the engine, with a result in bytes. */
  [kStart](name, options, input) { return secrets.start(this.#engine, name, this.#number, options, input, { owner: this }); }

  toJSON() {
    return { path: this.#path, type: this.#type, ...(this.#public.length > 0 && { publicKey: Buffer.from(this.#public).toString('base64') }) };
  }

  [inspect.custom](_depth, options) { return `SecretKey ${inspect(this.toJSON(), options)}`; }
}

brand(SecretKey, 'SecretKey');

module.exports = { SecretKey, sealing };
