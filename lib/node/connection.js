'use strict';

const { engineFor } = require('../engine/select.js');
const { Node, identityEngine, keyOptions } = require('./node.js');
const { Server } = require('./server.js');
const { dialledSession } = require('./session.js');
const { call, subscribe } = require('./request.js');
const { Promise, stringify } = require('../core/builtins.js');
const { onAbort, reasonOf } = require('../core/abort.js');
const { fromEngine, here } = require('../core/error.js');
const { credentialProvider } = require('../credential/store.js');
const check = require('../core/check.js');
const { version } = require('../../package.json');
const { brand, kDisconnected, kEmit, kEngine, kLeft, kNumber, kOpen, kOpened, kReconnected, kSession } = require('../core/symbols.js');

const OPTIONS = ['engine', 'key', 'passphrase', 'identity', 'certificate', 'token', 'insecure', 'ca', 'timeout', 'reconnect', 'peerScopes', 'limits', 'head', 'credentials', 'signal'];

const MAX_WAITING = 10_000_000;

/** A connection to a head, made by connect(). */
class Connection extends Node {
  #told = {};

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
    if (options.limits !== undefined) {
      check.known(options.limits, ['maxWaiting'], 'limits');
      out.limits = {};
      if (options.limits.maxWaiting !== undefined) out.limits.maxWaiting = check.integer(options.limits.maxWaiting, 'limits.maxWaiting', 0, MAX_WAITING);
    }
    if (options.head !== undefined) {
      if (!(options.head instanceof Server)) throw new TypeError(`the option head must be a server that serve() has started, and is ${check.describe(options.head)}`);
      out.head = options.head[kNumber];
    }
    if (options.signal !== undefined) check.signal(options.signal);
    if (options.signal?.aborted) throw reasonOf(options.signal);
    const engine = engineFor(options.engine, { identity: identityEngine(options), head: options.head?.[kEngine] });
    keyOptions(engine, out, options);
    const connection = new Connection(engine);
    connection.#told.address = address;
    await connection[kOpen]('connect', out, options);
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
  call(operation, input, options) { return call(this[kEngine], `n${this[kNumber]}`, operation, input, options); }

  /** Subscribes to an operation of the head. */
  subscribe(operation, input, options) { return subscribe(this[kEngine], `n${this[kNumber]}`, operation, input, options); }

  /**
   * Registers this node with the head under a name: others call what it handles as
   * /name/namespace/operation. Resolves when they can. The name is registered again
   * after each reconnect; 'left' tells when the node has lost it.
   */
  join(name, options) {
    check.string(name, 'name');
    check.known(options, ['signal', 'timeout'], 'join');
    const timeout = options?.timeout === undefined ? undefined : check.milliseconds(options.timeout, 'timeout');
    return command(this[kEngine], `join\t${this[kNumber]}`, `\t${nodeName(name)}\t${stringify({ timeout })}`, options?.signal, this.join);
  }

  /** Takes the name back; the connection stays open. */
  leave() { return command(this[kEngine], `leave\t${this[kNumber]}`, '', undefined, this.leave); }

  /** The operations that this node may call. */
  async services(options) { return (await this.call('/services/list', null, options)).operations; }

  /** The whole spec of one operation. */
  schema(name, options) { return this.call('/services/schema', { name: check.operationName(name) }, options); }

  [kSession](number) { return dialledSession(this[kEngine], number); }

  [kOpened](told) {
    this.#told = { ...told, address: this.#told.address };
    super[kOpened](told);
  }

  [kLeft](payload) { this[kEmit]('left', fromEngine(payload)); }

  [kDisconnected](payload) { this[kEmit]('disconnect', fromEngine(payload)); }

  [kReconnected](told) {
    this[kOpened](told); // which it was not yet if its first session was lost at once
    this[kEmit]('reconnect');
  }
}

const NODE_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

function nodeName(name) {
  if (!NODE_NAME.test(name) || name === 'head' || name === 'services') throw new TypeError(`the node name ${stringify(name.slice(0, 80))} is not 1 to 63 of a-z, 0-9 and '-', or is reserved`);
  return name;
}

/** Sends a command that the engine completes, and gives its end. */
function command(engine, head, tail, signal, caller) {
  if (signal !== undefined) check.signal(signal);
  if (signal?.aborted) return Promise.reject(reasonOf(signal));
  const at = here(caller);
  return new Promise((resolve, reject) => {
    engine.pin();
    let stopWaiting;
    const end = () => { engine.unpin(); stopWaiting?.(); };
    const number = engine.addRequest({
      responded: () => {}, event: () => {},
      completed: () => { end(); resolve(); },
      failed: (payload) => { end(); reject(signal?.aborted && payload.code === 'ABORTED' ? reasonOf(signal) : fromEngine(payload, undefined, at)); },
    });
    if (signal !== undefined) stopWaiting = onAbort(signal, () => engine.send(`A\t${number}\t\n`));
    engine.send(`${head}\t${number}${tail}\n`);
  });
}

brand(Connection, 'Connection');

module.exports = { connect: (address, options) => Connection.open(address, options), Connection };
