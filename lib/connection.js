'use strict';

const { Node, keyOptions } = require('./node.js');
const { Session } = require('./session.js');
const { call, subscribe } = require('./request.js');
const { fromEngine } = require('./error.js');
const check = require('./options.js');
const { version } = require('../package.json');

const OPTIONS = ['key', 'passphrase', 'identity', 'certificate', 'token', 'insecure', 'ca', 'timeout', 'reconnect', 'peerScopes', 'signal'];

/** A connection to a head, made by connect(). */
class Connection extends Node {
  #told = {};
  #session; // the one that requests come on

  static async open(address, options = {}) {
    check.string(address, 'address');
    check.known(options, OPTIONS, 'connect');
    const out = { address, agent: `alknet-js/${version}` };
    if (options.certificate !== undefined) out.certificate = check.string(options.certificate, 'certificate');
    if (options.token !== undefined) out.token = check.string(options.token, 'token');
    if (options.insecure !== undefined) out.insecure = check.boolean(options.insecure, 'insecure');
    if (options.ca !== undefined) out.ca = check.string(options.ca, 'ca');
    if (options.timeout !== undefined) out.timeout = check.milliseconds(options.timeout, 'timeout');
    if (options.reconnect !== undefined) out.reconnect = check.boolean(options.reconnect, 'reconnect');
    if (options.peerScopes !== undefined) out.peerScopes = check.strings(options.peerScopes, 'peerScopes');
    if (options.signal !== undefined) check.signal(options.signal);
    if (options.signal?.aborted) throw options.signal.reason;
    keyOptions(out, options);
    const connection = new Connection();
    connection.#told.address = address;
    await connection._open('connect', out, options);
    return connection;
  }

  /** The head's endpoint id. */
  get endpointId() { return this.#told.endpointId; }
  /** Who the head takes this node for; null is anonymous. */
  get identity() { return this.#told.identity; }
  /** 'quic', 'tls', 'tcp' or 'unix'. */
  get transport() { return this.#told.transport; }
  get address() { return this.#told.address; }

  /** Calls an operation of the head. */
  call(operation, input, options) { return call(`n${this._number}`, operation, input, options); }

  /** Subscribes to an operation of the head. */
  subscribe(operation, input, options) { return subscribe(`n${this._number}`, operation, input, options); }

  /** The operations that this node may call. */
  async services(options) { return (await this.call('/services/list', null, options)).operations; }

  /** The whole spec of one operation. */
  schema(name, options) { return this.call('/services/schema', { name: check.operationName(name) }, options); }

  _session(number, told) {
    if (this.#session?.number !== number) {
      const session = new Session(number, { endpointId: this.endpointId, transport: this.transport, identity: told.identity });
      this.#session = { number, session };
    }
    return this.#session.session;
  }

  onOpened(told) {
    this.#told = { ...told, address: this.#told.address };
    super.onOpened(told);
  }

  onDisconnected(payload) { this._tell('disconnect', fromEngine(payload)); }

  onReconnected(told) {
    this.onOpened(told); // which it was not yet if its first session was lost at once
    this._tell('reconnect');
  }
}

module.exports = { connect: (address, options) => Connection.open(address, options), Connection };
