import alknet from './index.js';

export const {
  connect, serve, generateKey, publicKey, parseAddress, AlknetError, Connection, Server, Session, Subscription, version,
  SecretStore, SecretKey, SecretIdentity, Credential, CredentialStore, wordlists, generateMnemonic, validateMnemonic,
} = alknet;
export default alknet;
