'use strict';

require('./engine/select.js').begin(); // first: Go starts while the rest is loaded

const { connect, Connection } = require('./node/connection.js');
const { serve, Server } = require('./node/server.js');
const { Session } = require('./node/session.js');
const { Subscription } = require('./node/request.js');
const { AlknetError } = require('./core/error.js');
const { generateKey, publicKey, parseAddress } = require('./node/keys.js');
const { SecretStore } = require('./secret/store.js');
const { SecretKey } = require('./secret/key.js');
const { SecretIdentity } = require('./secret/node-key.js');
const { Credential, CredentialStore } = require('./credential/store.js');
const { wordlists, generateMnemonic, validateMnemonic } = require('./secret/mnemonic.js');
const { version } = require('../package.json');

module.exports = {
  connect, serve, generateKey, publicKey, parseAddress, AlknetError, Connection, Server, Session, Subscription, version,
  SecretStore, SecretKey, SecretIdentity, Credential, CredentialStore, wordlists, generateMnemonic, validateMnemonic,
};
