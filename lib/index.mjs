import alknet from './index.js';

export const { connect, serve, generateKey, publicKey, parseAddress, AlknetError, Connection, Server, Session, Subscription, version } = alknet;
export default alknet;
