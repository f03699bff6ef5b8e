'use strict';

const { stringify } = require('../core/builtins.js');
const check = require('../core/check.js');
const secrets = require('./commands.js');
const { kStart, kText } = require('../core/symbols.js');

/** The path of an account: `path`, or the account `index` of BIP-44. */
function account(options) {
  check.known(options, ['index', 'path'], 'ethereum');
  const { index = 0, path } = options ?? {};
  check.integer(index, 'index', 0, 2 ** 31 - 1);
  if (path === undefined) return `m/44'/60'/0'/0/${index}`;
  if (options.index !== undefined) throw new TypeError('the options index and path exclude each other');
  return secrets.path(path);
}

function digestBytes(digest) {
  if (typeof digest === 'string') {
    if (!/^0x[0-9a-fA-F]{64}$/.test(digest)) throw new RangeError('the digest is not 0x and 64 hexadecimal digits');
    return Buffer.from(digest.slice(2), 'hex');
  }
  const data = secrets.bytes(digest, 'the digest');
  if (data.length !== 32) throw new RangeError(`the digest has ${data.length} bytes: want 32`);
  return data;
}

/** Typed data as JSON; a BigInt is written in decimal, as a string. */
function typedDataBytes(typedData) {
  if (typeof typedData === 'string') return Buffer.from(typedData);
  if (typeof typedData !== 'object' || typedData === null) throw new TypeError(`the typed data must be an object or JSON text, not ${check.describe(typedData)}`);
  return Buffer.from(stringify(typedData, (_, value) => (typeof value === 'bigint' ? String(value) : value)));
}

/** The Ethereum accounts of a store. */
class Ethereum {
  #derive;

  constructor(derive) { this.#derive = derive; }

  #key(options) { return this.#derive(account(options), 'secp256k1'); }

  async address(options) { return this.addressSync(options); }
  addressSync(options) { return this.#key(options)[kText]('ethereumAddress'); }

  async signDigest(digest, options) { return this.signDigestSync(digest, options); }
  signDigestSync(digest, options) {
    const data = digestBytes(digest);
    return this.#key(options)[kText]('signDigest', undefined, data);
  }

  async signMessage(message, options) { return this.#signSoon('signMessage', secrets.textBytes(message, 'the message'), options); }
  signMessageSync(message, options) {
    const data = secrets.textBytes(message, 'the message');
    return this.#key(options)[kText]('signMessage', undefined, data);
  }

  async signTypedData(typedData, options) { return this.#signSoon('signTypedData', typedDataBytes(typedData), options); }
  signTypedDataSync(typedData, options) {
    const data = typedDataBytes(typedData);
    return this.#key(options)[kText]('signTypedData', undefined, data);
  }

  async #signSoon(name, data, options) {
    const key = this.#key(options);
    if (data.length < secrets.LARGE) return key[kText](name, undefined, data);
    return Buffer.from(await key[kStart](name, undefined, data)).toString('latin1');
  }
}

module.exports = { Ethereum };
