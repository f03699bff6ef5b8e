'use strict';

require('./engines.js').begin(); // first: Go starts while the rest is loaded

const { connect, Connection } = require('./connection.js');
const { serve, Server } = require('./server.js');
const { Session } = require('./session.js');
const { Subscription } = require('./request.js');
const { AlknetError } = require('./error.js');
const { generateKey, publicKey, parseAddress } = require('./keys.js');
const { SecretStore } = require('./secret.js');
const { SecretKey } = require('./secret-key.js');
const { SecretIdentity } = require('./secret-identity.js');
const { Credential, CredentialStore } = require('./credential.js');
const { wordlists, generateMnemonic, validateMnemonic } = require('./mnemonic.js');
const { version } = require('../package.json');

module.exports = {
  connect, serve, generateKey, publicKey, parseAddress, AlknetError, Connection, Server, Session, Subscription, version,
  SecretStore, SecretKey, SecretIdentity, Credential, CredentialStore, wordlists, generateMnemonic, validateMnemonic,
};
