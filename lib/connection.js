'use strict';

const { engineFor } = require('./engines.js');
const { Node, identityEngine, keyOptions } = require('./node.js');
const { Server } = require('./server.js');
const { Session } = require('./session.js');
const { call, subscribe } = require('./request.js');
const { fromEngine } = require('./error.js');
const { credentialProvider } = require('./credential.js');
const check = require('./options.js');
const { version } = require('../package.json');

const OPTIONS = ['engine', 'key', 'passphrase', 'identity', 'certificate', 'token', 'insecure', 'ca', 'timeout', 'reconnect', 'peerScopes', 'head', 'credentials', 'signal'];

/** A connection to a head, made by connect(). */
class Connection extends Node {
  #told = {};
  #session; // the one that requests come on

  static async open(address, options = {}) {
    check.string(address, 'address');
    check.known(options, OPTIONS, 'connect');
    credentialProvider(options.credentials);
    const out = { address, agent: `alknet-js/${version}` };
    if (options.certificate !== undefined) out.certificate = check.string(options.certificate, 'certificate');
    if (options.token !== undefined) out.token = check.string(options.token, 'token');
    if (options.insecure !== undefined) out.insecure = check.boolean(options.insecure, 'insecure');
    if (options.ca !== undefined) out.ca = check.string(options.ca, 'ca');
    if (options.timeout !== undefined) out.timeout = check.milliseconds(options.timeout, 'timeout');
    if (options.reconnect !== undefined) out.reconnect = check.boolean(options.reconnect, 'reconnect');
    if (options.peerScopes !== undefined) out.peerScopes = check.strings(options.peerScopes, 'peerScopes');
    if (options.head !== undefined) {
      if (!(options.head instanceof Server)) throw new TypeError(`the option head must be a server that serve() has started, and is ${check.describe(options.head)}`);
      out.head = options.head._number;
    }
    if (options.signal !== undefined) check.signal(options.signal);
    if (options.signal?.aborted) throw options.signal.reason;
    const engine = engineFor(options.engine, { identity: identityEngine(options), head: options.head?._engine });
    keyOptions(engine, out, options);
    const connection = new Connection(engine);
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
  call(operation, input, options) { return call(this._engine, `n${this._number}`, operation, input, options); }

  /** Subscribes to an operation of the head. */
  subscribe(operation, input, options) { return subscribe(this._engine, `n${this._number}`, operation, input, options); }

  /**
   * Registers this node with the head under a name: others call what it handles as
   * /name/namespace/operation. Resolves when they can. The name is registered again
   * after each reconnect; 'left' tells when the node has lost it.
   */
  join(name, options) {
    check.string(name, 'name');
    check.known(options, ['signal', 'timeout'], 'join');
    const timeout = options?.timeout === undefined ? undefined : check.milliseconds(options.timeout, 'timeout');
    return command(this._engine, `join\t${this._number}`, `\t${nodeName(name)}\t${JSON.stringify({ timeout })}`, options?.signal, this.join);
  }

  /** Takes the name back; the connection stays open. */
  leave() { return command(this._engine, `leave\t${this._number}`, '', undefined, this.leave); }

  /** The operations that this node may call. */
  async services(options) { return (await this.call('/services/list', null, options)).operations; }

  /** The whole spec of one operation. */
  schema(name, options) { return this.call('/services/schema', { name: check.operationName(name) }, options); }

  _session(number, told) {
    if (this.#session?.number !== number) {
      const session = new Session(this._engine, number, { endpointId: this.endpointId, transport: this.transport, identity: told.identity });
      this.#session = { number, session };
    }
    return this.#session.session;
  }

  onOpened(told) {
    this.#told = { ...told, address: this.#told.address };
    super.onOpened(told);
  }

  onLeft(payload) { this._tell('left', fromEngine(payload)); }

  onDisconnected(payload) { this._tell('disconnect', fromEngine(payload)); }

  onReconnected(told) {
    this.onOpened(told); // which it was not yet if its first session was lost at once
    this._tell('reconnect');
  }
}

const NODE_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

function nodeName(name) {
  if (!NODE_NAME.test(name) || name === 'head' || name === 'services') throw new TypeError(`the node name ${JSON.stringify(name.slice(0, 80))} is not 1 to 63 of a-z, 0-9 and '-', or is reserved`);
  return name;
}

/** Sends a command that the engine completes, and gives its end. */
function command(engine, head, tail, signal, caller) {
  if (signal !== undefined) check.signal(signal);
  if (signal?.aborted) return Promise.reject(signal.reason);
  const at = {};
  Error.captureStackTrace(at, caller);
  return new Promise((resolve, reject) => {
    engine.pin();
    const end = () => { engine.unpin(); signal?.removeEventListener('abort', onAbort); };
    const number = engine.addRequest({
      responded: () => {}, event: () => {},
      completed: () => { end(); resolve(); },
      failed: (payload) => { end(); reject(signal?.aborted && payload.code === 'ABORTED' ? signal.reason : fromEngine(payload, undefined, at)); },
    });
    const onAbort = () => engine.send(`A\t${number}\t\n`);
    signal?.addEventListener('abort', onAbort, { once: true });
    engine.send(`${head}\t${number}${tail}\n`);
  });
}

module.exports = { connect: (address, options) => Connection.open(address, options), Connection };
