'use strict';
// What connections and servers have in common: handlers, events, life cycle.

const { inspect } = require('node:util');
const { isUint8Array } = require('node:util/types');
const check = require('../core/check.js');
const { run } = require('./handler.js');
const { SecretIdentity } = require('../secret/node-key.js');
const { Promise, nextTick, setImmediate, stringify } = require('../core/builtins.js');
const { onAbort, reasonOf } = require('../core/abort.js');
const { Emitter, scope } = require('../core/emitter.js');
const { AlknetError, describeThrown, fromEngine, here } = require('../core/error.js');
const { printable } = require('../core/printable.js');
const { kAsk, kClosed, kEmit, kEngine, kFailed, kHandlerError, kLog, kNumber, kOpen, kOpened, kReady, kRequest, kSession } = require('../core/symbols.js');

const HANDLER = ['identity', 'reach', 'credentials'];
const SPEC = ['name', 'type', 'description', 'version', 'inputSchema', 'outputSchema', 'errorSchemas', 'accessControl', 'visibility', 'tags'];

class Node extends Emitter {
  #engine;
  #number;
  #handlers = new Map(); // operation -> handlers offered, the first of which answers
  #opening;
  #closing;
  #pinned = false;
  #unrefed = false;
  #over = false;
  #warned = new Set();
  #credentials; // where handlers get theirs
  #early = []; // events from before the application could listen

  constructor(engine) {
    super();
    this.#engine = engine;
  }

  /** Sends the command that opens the node; resolves when it is open. */
  [kOpen](command, options, { signal, identity, credentials }) {
    this.#credentials = credentials;
    if (signal?.aborted) return Promise.reject(reasonOf(signal));
    const at = here(this[kOpen]);
    this.#number = this.#engine.addNode(this);
    this.#pin(true);
    this.#engine.send(`${command}\t${this.#number}\t${stringify(options)}\n`);
    return new Promise((resolve, reject) => {
      const end = signal === undefined ? () => {} : onAbort(signal, () => {
        this.#engine.send(`close\t${this.#number}\t\n`);
        reject(reasonOf(signal));
      });
      this.#opening = {
        identity, // lives as long as the node
        resolve: (told) => { end(); resolve(told); },
        reject: (payload) => { end(); reject(fromEngine(payload, undefined, at)); },
      };
    });
  }

  get [kNumber]() { return this.#number; }
  get [kEngine]() { return this.#engine; }

  /** Where the node runs: 'addon', in this process, or 'process', in one of its own. */
  get engine() { return this.#engine.kind; }

  #pin(on) {
    const want = on && !this.#unrefed && !this.#over;
    if (want === this.#pinned) return;
    this.#pinned = want;
    if (want) this.#engine.pin();
    else this.#engine.unpin();
  }

  [kOpened](told) {
    this.#opening.resolve(told);
    // Behind the promises that lead to the application: it shall have listened.
    setImmediate(() => {
      const early = this.#early ?? [];
      this.#early = undefined;
      for (const event of early) {
        try {
          this.emit(...event);
        } catch (error) {
          nextTick(() => { throw error; }); // a listener's: the other events are emitted all the same
        }
      }
    });
  }

  /** Emits an event, once the application has had the chance to listen to it. */
  [kEmit](...event) {
    if (this.#early) this.#early.push(event);
    else this.emit(...event);
  }

  [kFailed](payload) {
    this.#end();
    this.#opening.reject(payload);
  }

  [kClosed](payload) {
    const error = payload === null ? undefined : fromEngine(payload);
    this.#end();
    // Closed while it was being opened: the promise of connect or serve waits.
    this.#opening.reject(payload ?? { code: 'ABORTED', message: 'the node was closed while it was being opened', retryable: false });
    this.#closing?.resolve();
    this[kEmit]('close', error);
  }

  #end() {
    this.#over = true;
    this.#pin(false);
  }

  [kLog](record) { this[kEmit]('log', record); }

  [kRequest](incoming, [, session, operation, kind, told, input]) {
    const handler = this.#handlers.get(operation)?.[0];
    if (handler === undefined) {
      this.#engine.send(`F\t${incoming}\t{"code":"NOT_FOUND","message":"the operation was withdrawn","retryable":false}\n`);
      return;
    }
    run(this, incoming, operation, kind, told, input, this[kSession](session), handler);
  }

  [kHandlerError](error, operation) {
    if (this.emit('handlerError', error, operation)) return;
    if (this.#warned.has(operation)) return;
    this.#warned.add(operation);
    process.emitWarning(`the handler of ${operation} failed: ${printable(shown(error))}\nListen for 'handlerError' to handle such errors; this warning is given once an operation.`, 'AlknetHandlerWarning');
  }

  /**
   * Offers an operation to the other side. `spec` is its name, or an object with a
   * name; `options` say what the handler may do itself. Resolves when it can be called.
   */
  handle(spec, handler, options) {
    if (typeof spec === 'string') spec = { name: spec };
    check.known(spec, SPEC, 'handle');
    check.operationName(spec?.name);
    check.func(handler, `the handler of ${spec.name}`);
    const text = check.json(spec, spec.name);
    const { may, identity, credentials } = handlerOptions(spec.name, options);
    if (this.#over) return Promise.reject(new AlknetError('UNAVAILABLE', 'the node is closed'));
    const at = here(this.handle);
    // Entered now: the first request may come before the word that the engine has
    // accepted it. Of several that wait for its word, it accepts the first good one.
    const offered = this.#handlers.get(spec.name) ?? [];
    this.#handlers.set(spec.name, offered);
    const entry = { handler, scope: scope(), identity, credentials: { provider: this.#credentials, listed: credentials } };
    offered.push(entry);
    return new Promise((resolve, reject) => {
      this.#engine.pin();
      const number = this.#engine.addRequest({
        responded: () => {}, event: () => {},
        completed: () => { this.#engine.unpin(); resolve(); },
        failed: (payload) => {
          this.#engine.unpin();
          offered.splice(offered.indexOf(entry), 1);
          if (offered.length === 0 && this.#handlers.get(spec.name) === offered) this.#handlers.delete(spec.name);
          reject(fromEngine(payload, spec.name, at));
        },
      });
      this.#engine.send(`handle\t${this.#number}\t${number}\t${text}\t${may}\n`);
    });
  }

  /** Sends a command about the open node that is answered with a value. */
  [kAsk](command, text) {
    if (this.#over) return Promise.reject(new AlknetError('UNAVAILABLE', 'the node is closed'));
    const at = here(this[kAsk]);
    return new Promise((resolve, reject) => {
      this.#engine.pin();
      const number = this.#engine.addRequest({
        event: () => {}, completed: () => {},
        responded: (output) => { this.#engine.unpin(); resolve(output); },
        failed: (payload) => { this.#engine.unpin(); reject(fromEngine(payload, undefined, at)); },
      });
      this.#engine.send(`${command}\t${this.#number}\t${number}\t${text}\n`);
    });
  }

  /** Withdraws an operation; requests that run go on. */
  unhandle(name) {
    check.operationName(name);
    if (this.#handlers.delete(name)) this.#engine.send(`unhandle\t${this.#number}\t${name}\n`);
  }

  /**
   * Closes the node: calls that run may finish for `drain` ms, what is left fails
   * with UNAVAILABLE. Idempotent; resolves when everything has ended.
   */
  close(options) {
    check.known(options, ['drain'], 'close');
    const drain = options?.drain === undefined ? undefined : check.milliseconds(options.drain, 'drain', 0);
    if (this.#over) return this.#closing?.promise ?? Promise.resolve();
    if (this.#closing === undefined) {
      this.#closing = {};
      this.#closing.promise = new Promise((resolve) => { this.#closing.resolve = resolve; });
      this.#unrefed = false; // closing is work that the process waits for
      this.#pin(true);
      this.#engine.send(`close\t${this.#number}\t${stringify({ drain })}\n`);
    }
    return this.#closing.promise;
  }

  /** Lets the open node keep the process alive, which is the default. */
  ref() {
    this.#unrefed = false;
    this.#pin(true);
    return this;
  }

  /** Lets the process end while the node is open but nothing is pending. */
  unref() {
    this.#unrefed = true;
    this.#pin(false);
    return this;
  }

  get closed() { return this.#over; }

  [Symbol.asyncDispose]() { return this.close(); }
}

/** An error for a terminal: what others wrote into it cannot control that. */
function shown(error) {
  let text;
  try {
    text = inspect(error);
  } catch {
    text = describeThrown(error);
  }
  return text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** What a handler may do itself: as the engine reads it, and as its context shows it. */
function handlerOptions(name, options) {
  const identity = { id: `handler:${name}`, scopes: [] };
  if (options === undefined) return { may: '', identity, credentials: [] };
  check.known(options, HANDLER, `the handler of ${name}`);
  const out = { reach: options.reach === undefined ? [] : check.strings(options.reach, 'reach') };
  if (options.identity !== undefined) {
    check.known(options.identity, ['id', 'scopes', 'resources'], 'identity');
    const { id, scopes, resources } = options.identity;
    if (id !== undefined) identity.id = check.string(id, 'identity.id');
    if (scopes !== undefined) identity.scopes = check.strings(scopes, 'identity.scopes');
    if (resources !== undefined) {
      identity.resources = {};
      for (const [type, ids] of Object.entries(resources)) identity.resources[type] = check.strings(ids, `identity.resources.${type}`);
    }
    out.identity = identity;
  }
  const credentials = options.credentials === undefined ? [] : check.strings(options.credentials, 'credentials');
  return { may: stringify(out), identity, credentials };
}

/** Fills `out` with the key that the options name; bytes go beside the text. */
function keyOptions(engine, out, options) {
  const { key, passphrase, identity } = options;
  if (identity !== undefined) {
    if (key !== undefined) throw new TypeError('the options key and identity exclude each other');
    if (!(identity instanceof SecretIdentity)) throw new TypeError(`the option identity must come from SecretStore.identity, and is ${check.describe(identity)}`);
    out.identity = identity[kNumber];
  }
  if (key === undefined) {
    if (passphrase !== undefined) throw new TypeError('the option passphrase needs the option key');
    return;
  }
  // A path is told in errors, a key must not be.
  if (typeof key === 'string' && key.includes('PRIVATE KEY-----')) throw new TypeError('the option key is the text of a private key: give its path, or its bytes as a Uint8Array');
  if (typeof key !== 'string' && !isUint8Array(key)) throw new TypeError(`the option key must be a path or a Uint8Array, not ${check.describe(key)}`);
  if (passphrase !== undefined && typeof passphrase !== 'string' && !isUint8Array(passphrase)) throw new TypeError(`the option passphrase must be a Uint8Array or a string, not ${check.describe(passphrase)}`);
  if (typeof key !== 'string') check.secretSize(key, 'key');
  if (passphrase !== undefined) check.secretSize(passphrase, 'passphrase');
  if (typeof key === 'string') out.keyPath = check.file(key);
  else out.key = engine.attach(key);
  if (passphrase !== undefined) {
    const bytes = typeof passphrase === 'string' ? Buffer.from(passphrase) : passphrase;
    out.passphrase = engine.attach(bytes);
    if (bytes !== passphrase) bytes.fill(0);
  }
}

/** The engine that has the key of the option identity. */
function identityEngine({ identity }) {
  return identity instanceof SecretIdentity ? identity[kReady]() : undefined; // keyOptions says what is wrong
}

module.exports = { Node, identityEngine, keyOptions };
