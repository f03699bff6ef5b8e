'use strict';

const { Node, identityEngine, keyOptions } = require('./node.js');
const { Session, dialledSession } = require('./session.js');
const { engineFor } = require('../engine/select.js');
const { parse, stringify } = require('../core/builtins.js');
const { reasonOf } = require('../core/abort.js');
const { fromEngine } = require('../core/error.js');
const { credentialProvider } = require('../credential/store.js');
const check = require('../core/check.js');
const { brand, kAsk, kEmit, kEngine, kOpen, kSession, kSessionClosed, kSessionOpened } = require('../core/symbols.js');

// Those that a reload may give anew.
const DYNAMIC = ['config', 'authorizedKeys', 'defaultScopes', 'allowAnonymous', 'drain', 'limits', 'access'];
const OPTIONS = [...DYNAMIC, 'engine', 'listen', 'key', 'passphrase', 'identity', 'name', 'credentials', 'signal'];
const MAX = 2 ** 31 - 1;
// The least of each limit; 0 is no limit where it may be 0.
const LIMITS = {
  connections: 0, connectionsPerAddress: 0, sessionsPerIdentity: 0, failuresPerConnection: 0, failuresPerAddress: 0,
  maxFrame: 1, maxInFlight: 1, maxQueued: 1, maxWaiting: 0, openTimeout: 1, pingInterval: 1, deadAfter: 1,
};

/** The options that serve and reload share, as the engine reads them. */
function engineOptions(options) {
  const out = {};
  const { config, authorizedKeys, limits } = options;
  if (typeof config === 'string') out.configPath = check.file(config);
  else if (config !== undefined) {
    if (typeof config !== 'object' || config === null || Array.isArray(config)) throw new TypeError(`the option config must be the path of a file or an object, not ${check.describe(config)}`);
    out.config = parse(check.json(config, 'the option config'));
  }
  if (typeof authorizedKeys === 'string') out.authorizedKeysPath = check.file(authorizedKeys);
  else if (authorizedKeys !== undefined) out.authorizedKeys = check.strings(authorizedKeys, 'authorizedKeys');
  if (options.defaultScopes !== undefined) out.defaultScopes = check.strings(options.defaultScopes, 'defaultScopes');
  if (options.allowAnonymous !== undefined) out.allowAnonymous = check.boolean(options.allowAnonymous, 'allowAnonymous');
  if (options.drain !== undefined) out.drain = check.milliseconds(options.drain, 'drain', 0);
  if (limits !== undefined) {
    check.known(limits, Object.keys(LIMITS), 'limits');
    for (const [name, value] of Object.entries(limits)) check.integer(value, `limits.${name}`, LIMITS[name], MAX);
    out.limits = limits;
  }
  if (options.access !== undefined) out.access = accessRules(options.access);
  return out;
}

function accessRules(rules) {
  if (!Array.isArray(rules)) throw new TypeError(`the option access must be an array of rules, not ${check.describe(rules)}`);
  return rules.map((rule, i) => {
    check.known(rule, ['path', 'scopes'], `access[${i}]`);
    return { path: check.string(rule?.path, `access[${i}].path`), scopes: check.strings(rule.scopes, `access[${i}].scopes`) };
  });
}

/** A node that listens, made by serve(). */
class Server extends Node {
  #told = {};
  #sessions = new Map();

  static async open(options = {}) {
    check.known(options, OPTIONS, 'serve');
    credentialProvider(options.credentials);
    const engine = engineFor(options.engine, { identity: identityEngine(options) });
    const out = engineOptions(options);
    const { listen } = options;
    if (listen !== undefined) out.listen = typeof listen === 'string' ? [listen] : check.strings(listen, 'listen');
    if (options.name !== undefined) out.name = check.string(options.name, 'name');
    if (options.signal !== undefined) check.signal(options.signal);
    if (options.signal?.aborted) throw reasonOf(options.signal);
    keyOptions(engine, out, options);
    const server = new Server(engine);
    server.#told = await server[kOpen]('serve', out, options);
    return server;
  }

  /**
   * Reads the configuration again, with the files that it names; options that are
   * given take the place of those of serve(). Sessions whose credential is not
   * accepted any more end. A mistake changes nothing.
   */
  async reload(options = {}) {
    check.known(options, DYNAMIC, 'reload');
    return this[kAsk]('reload', stringify(engineOptions(options)));
  }

  /** The first address, for clients: it pins the server's key. */
  get address() { return this.#told.addresses?.[0]; }
  get addresses() { return [...(this.#told.addresses ?? [])]; }
  get endpointId() { return this.#told.endpointId; }
  get fingerprint() { return this.#told.fingerprint; }
  /** The sessions that are open now. */
  get sessions() { return [...this.#sessions.values()]; }

  // The engine announces a session before its first request. One that is not the server's
  // belongs to a connection that shares its operations.
  [kSession](number) { return this.#sessions.get(number) ?? dialledSession(this[kEngine], number); }

  [kSessionOpened](number, told) {
    const session = new Session(this[kEngine], number, told);
    this.#sessions.set(number, session);
    this[kEmit]('session', session);
  }

  [kSessionClosed](number, told) {
    const session = this.#sessions.get(number);
    if (!session) return;
    this.#sessions.delete(number);
    this[kEmit]('sessionClosed', session, told.error ? fromEngine(told.error) : undefined);
  }
}

brand(Server, 'Server');

module.exports = { serve: (options) => Server.open(options), Server };
