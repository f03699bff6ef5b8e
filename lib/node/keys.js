'use strict';

const { isUint8Array } = require('node:util/types');
const { engineOf } = require('../engine/select.js');
const check = require('../core/check.js');

/**
 * Makes an Ed25519 key. The private key is a string in OpenSSH's format, which
 * JavaScript cannot wipe: write it to a 0600 file and forget it.
 */
function generateKey(comment = 'alknet') {
  return engineOf().invoke('generateKey', check.string(comment, 'comment'));
}

/** The public parts of an OpenSSH private key without passphrase, or of a public key line. */
function publicKey(key) {
  if (typeof key !== 'string' && !isUint8Array(key)) throw new TypeError(`publicKey wants a string or a Uint8Array, not ${check.describe(key)}`);
  return engineOf().invoke('publicKey', key);
}

/** The parts of an address. */
function parseAddress(address) {
  return engineOf().invoke('parseAddress', check.string(address, 'address'));
}

module.exports = { generateKey, publicKey, parseAddress };
