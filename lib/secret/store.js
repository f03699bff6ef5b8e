'use strict';

const { inspect } = require('node:util');
const { isDate } = require('node:util/types');
const { engineOf } = require('../engine/select.js');
const check = require('../core/check.js');
const { Date, parse, setImmediate, stringify } = require('../core/builtins.js');
const { reasonOf } = require('../core/abort.js');
const { Emitter } = require('../core/emitter.js');
const { fromEngine } = require('../core/error.js');
const { shared } = require('../core/shared.js');
const secrets = require('./commands.js');
const { Ethereum } = require('./ethereum.js');
const { SecretIdentity } = require('./node-key.js');
const { SecretKey, sealing } = require('./key.js');
const { phraseOptions } = require('./mnemonic.js');
const { printable } = require('../core/printable.js');
const { brand, kAudit, kEngine, kLost, kNumber, kRun, kStart, kText, kWarning } = require('../core/symbols.js');

const OPTIONS = ['engine', 'exportable', 'requireLockedMemory', 'cacheSize', 'cacheTtl', 'idleTimeout', 'sealCounts'];
const CLASSES = ['lower', 'upper', 'digits', 'symbols'];
const IDENTITY = "m/74'/0'/0'/0'";
const MAX_VERSION = 2 ** 32 - 1; // of a key in EncryptedData

const OVERTAKEN = { code: 'LOCKED', message: 'the store was locked while it was being unlocked', retryable: false };

/** Wipes a store that nothing can reach any more. */
function abandon(engine, number) {
  engine.stores.delete(number);
  secrets.release(engine, 'close', number);
}

/** Options for the engine, from those of the constructor. */
function storeOptions(options) {
  check.known(options, OPTIONS, 'SecretStore');
  const { exportable = true, requireLockedMemory = false, cacheSize = 64, cacheTtl = 3_600_000, idleTimeout, sealCounts } = options ?? {};
  const out = {
    notExportable: !check.boolean(exportable, 'exportable'), requireLockedMemory: check.boolean(requireLockedMemory, 'requireLockedMemory'),
    // The engine takes 0 for its default, and a negative number for none.
    cacheSize: check.integer(cacheSize, 'cacheSize', 0, 100_000) || -1,
    cacheTtl: cacheTtl === Infinity ? -1 : check.milliseconds(cacheTtl, 'cacheTtl'),
  };
  if (idleTimeout !== undefined) out.idleTimeout = check.milliseconds(idleTimeout, 'idleTimeout');
  if (sealCounts !== undefined) {
    if (typeof sealCounts !== 'object' || sealCounts === null) throw new TypeError(`the option sealCounts must be an object, not ${check.describe(sealCounts)}`);
    for (const [version, count] of Object.entries(sealCounts)) {
      if (!/^[1-9][0-9]{0,9}$/.test(version) || Number(version) > MAX_VERSION) throw new RangeError(`the option sealCounts has ${stringify(version.slice(0, 40))}: want versions of keys`);
      check.integer(count, `sealCounts.${version}`, 0, Number.MAX_SAFE_INTEGER);
    }
    out.sealCounts = sealCounts;
  }
  return out;
}

function keyVersion(options, where) {
  check.known(options, ['version', 'wipe'], where);
  if (options?.version === undefined) return {};
  return { version: check.integer(options.version, 'version', 1, MAX_VERSION) };
}

/** EncryptedData as text, and how many bytes it holds. */
function encrypted(data) {
  let object = data;
  let text = data;
  if (typeof data === 'string') {
    try {
      object = parse(data);
    } catch {
      object = undefined; // the engine says what is wrong
    }
  } else if (typeof data === 'object' && data !== null && !ArrayBuffer.isView(data)) {
    text = stringify(data);
  } else {
    throw new TypeError(`the data must be EncryptedData, as an object or JSON text, not ${check.describe(data)}`);
  }
  const base64 = typeof object?.data === 'string' ? object.data : '';
  return { text: Buffer.from(text), sealed: Buffer.byteLength(base64, 'base64') };
}

const TAG = 16; // bytes

const plaintextLength = (sealed) => Math.max(0, sealed - TAG);

const parseBytes = (text) => parse(Buffer.from(text.buffer).latin1Slice(0, text.length));

/** How long EncryptedData can be as JSON. */
const encryptedLength = (sealed) => 160 + Math.ceil((sealed + TAG) / 3) * 4;

function site(value) {
  if (typeof value !== 'string') throw new TypeError(`the site must be a string, not ${check.describe(value)}`);
  if (value === '' || !value.isWellFormed() || Buffer.byteLength(value) > 1024) throw new RangeError("the site's name must have 1 to 1024 bytes of UTF-8");
  return value;
}

function passwordOptions(name, options) {
  check.known(options, ['length', 'classes'], 'password');
  const { length = 20, classes = CLASSES } = options ?? {};
  check.integer(length, 'length', 4, 128);
  check.strings(classes, 'classes');
  const unknown = classes.find((c) => !CLASSES.includes(c));
  if (classes.length === 0 || unknown !== undefined) throw new RangeError(`the option classes must name some of ${CLASSES.join(', ')}`);
  return { site: site(name), length, classes };
}

function sshOptions(options, names, where) {
  check.known(options, names, where);
  const { path = IDENTITY, comment = '' } = options ?? {};
  return { path, comment: check.string(comment, 'comment') };
}

/** One mnemonic, and every key that is derived from it. It begins locked. */
class SecretStore extends Emitter {
  #engine;
  #number;
  #held; // what keeps the engine for it
  #options; // for the engine
  #closed;
  #locks = 0; // how often lock was called
  #ethereum = new Ethereum((path, type) => this.deriveSync(path, type));

  constructor(options) {
    super();
    this.#options = storeOptions(options);
    this.#make(engineOf(options?.engine));
    this.#observe();
  }

  #make(engine) {
    const number = engine.secretNumber();
    secrets.run(engine, 'new', number, this.#options);
    engine.stores.set(number, new WeakRef(this));
    this.#engine?.drop(this.#held);
    this.#held = engine.hold(this, () => abandon(engine, number), true);
    this.#engine = engine;
    this.#number = number;
  }

  // A store whose engine has ended goes on, locked, in the next one.
  #revive() {
    if (this.#closed || !this.#engine.lost) return;
    this.#make(engineOf(this.#engine.kind));
    if (this.listenerCount('audit') > 0) secrets.observe(this.#engine, this.#number);
  }

  /** The engine has ended: whatever it held of the store is gone with it. */
  [kLost]() { this.emit('audit', { time: new Date(), action: 'lock', code: 'UNAVAILABLE' }); }

  /** Where the secrets lie: 'addon', in this process, or 'process', in one of its own. */
  get engine() { return this.#engine.kind; }

  // The engine tells of events only when somebody listens.
  #observe() {
    this.on('newListener', (event) => {
      if (event === 'audit' && this.listenerCount('audit') === 0 && !this.#closed && !this.#engine.lost) secrets.observe(this.#engine, this.#number);
    });
  }

  removeAllListeners(...events) {
    super.removeAllListeners(...events);
    if (events.length === 0) this.#observe();
    return this;
  }

  [kAudit]({ time, ...event }) { this.emit('audit', { time: new Date(time), ...event }); }

  [kWarning](message) {
    if (this.emit('warning', message)) return;
    const { warned } = shared();
    if (warned.has('memory')) return;
    warned.add('memory');
    process.emitWarning(printable(message), 'AlknetMemoryWarning');
  }

  async unlock(mnemonic, options) { await this.#unlock('unlock', ['passphrase', 'signal'], () => undefined, options, mnemonic); }

  async create(options) { return this.#unlock('create', ['words', 'wordlist', 'passphrase', 'signal'], phraseOptions, options); }

  /** The engine has a copy of the secrets, or there was a mistake: either way they are wiped when this returns. */
  #unlock(name, names, argumentsOf, options, mnemonic) {
    let phrase, passphrase;
    try {
      if (name === 'unlock') phrase = secrets.secretBytes(mnemonic, 'the mnemonic');
      const { passphrase: given, signal } = check.known(options, names, name);
      if (given !== undefined) passphrase = secrets.secretBytes(given, 'the passphrase');
      if (signal !== undefined) check.signal(signal);
      this.#revive();
      const locks = this.#locks;
      // What happened between the engine's end of it and ours.
      const revoked = (at) => {
        const overtaken = locks !== this.#locks;
        if (signal?.aborted && !overtaken) this.lock();
        if (signal?.aborted) return { error: reasonOf(signal) };
        return overtaken ? { error: fromEngine(OVERTAKEN, undefined, at) } : undefined;
      };
      return secrets.start(this.#engine, name, this.#number, argumentsOf(options), phrase, { second: passphrase, signal, revoked, owner: this });
    } finally {
      secrets.wipe(mnemonic, phrase, options?.passphrase, passphrase);
    }
  }

  lock(options) {
    const { disconnect = false } = check.known(options, ['disconnect'], 'lock');
    check.boolean(disconnect, 'disconnect');
    this.#locks++;
    if (!this.#closed) secrets.release(this.#engine, 'lock', this.#number, { disconnect });
  }

  get [kEngine]() { return this.#engine; }
  get [kNumber]() { return this.#number; }

  /** An operation of the engine on this store, at once. */
  [kRun](name, options, input, output) { return secrets.run(this.#engine, name, this.#number, options, input, output); }

  /** The same on a thread of the engine, with a result in bytes. */
  [kStart](name, options, input) { return secrets.start(this.#engine, name, this.#number, options, input, { owner: this }); }

  get locked() { return this.status.state === 'locked'; }

  get status() {
    if (this.#closed) return { ...this.#closed };
    try {
      const status = parse(secrets.runText(this.#engine, 'status', this.#number));
      this.#options.sealCounts = status.sealCounts; // for a store that has to go on in another engine
      return status;
    } catch (error) {
      if (!this.#engine.lost) throw error;
      const { notExportable, sealCounts = {} } = this.#options;
      return { state: 'locked', memory: 'none', exportable: !notExportable, closed: false, cached: 0, sealCounts };
    }
  }

  async derive(path, type) { return this.deriveSync(path, type); }

  deriveSync(path, type = 'ed25519') { return new SecretKey(this, this.#number, path, type); }

  async encrypt(plaintext, options) {
    const { data, done } = sealing(plaintext, options, ['version', 'wipe'], 'encrypt');
    if (data.length < secrets.LARGE) return this.encryptSync(plaintext, options);
    return parseBytes(await secrets.start(this.#engine, 'encrypt', this.#number, keyVersion(options), data, { done, owner: this }));
  }

  encryptSync(plaintext, options) {
    const { data, done } = sealing(plaintext, options, ['version', 'wipe'], 'encrypt');
    const text = secrets.runText(this.#engine, 'encrypt', this.#number, keyVersion(options), data, encryptedLength(data.length));
    done?.();
    return parse(text);
  }

  async decrypt(data) {
    const { text, sealed } = encrypted(data);
    if (sealed < secrets.LARGE) return secrets.runBytes(this.#engine, 'decrypt', this.#number, undefined, text, plaintextLength(sealed));
    return secrets.start(this.#engine, 'decrypt', this.#number, undefined, text, { owner: this });
  }

  decryptSync(data) {
    const { text, sealed } = encrypted(data);
    return secrets.runBytes(this.#engine, 'decrypt', this.#number, undefined, text, plaintextLength(sealed));
  }

  async rotate(data, options) {
    check.known(options, ['version'], 'rotate');
    const { text, sealed } = encrypted(data);
    if (sealed < secrets.LARGE) return this.rotateSync(data, options);
    return parseBytes(await secrets.start(this.#engine, 'rotate', this.#number, keyVersion(options), text, { owner: this }));
  }

  rotateSync(data, options) {
    check.known(options, ['version'], 'rotate');
    const { text, sealed } = encrypted(data);
    return parse(secrets.runText(this.#engine, 'rotate', this.#number, keyVersion(options), text, encryptedLength(sealed)));
  }

  async password(name, options) { return this.passwordSync(name, options); }

  passwordSync(name, options) {
    const policy = passwordOptions(name, options);
    return secrets.runBytes(this.#engine, 'password', this.#number, policy, undefined, policy.length);
  }

  async passwordBytes(name, length) { return this.passwordBytesSync(name, length); }

  passwordBytesSync(name, length = 32) {
    check.integer(length, 'length', 1, 8160);
    return secrets.runBytes(this.#engine, 'rawPassword', this.#number, { site: site(name), length }, undefined, length);
  }

  get ethereum() { return this.#ethereum; }

  async sshPublicKey(options) { return this.sshPublicKeySync(options); }

  sshPublicKeySync(options) {
    const { path, comment } = sshOptions(options, ['path', 'comment'], 'sshPublicKey');
    return this.deriveSync(path)[kText]('sshPublicKey', { comment });
  }

  async sshPrivateKey(options) { return this.#sshPrivateKey(options); }

  #sshPrivateKey(options) {
    let passphrase;
    try {
      const { path, comment } = sshOptions(options, ['path', 'comment', 'passphrase'], 'sshPrivateKey');
      if (options?.passphrase !== undefined) passphrase = secrets.secretBytes(options.passphrase, 'the passphrase');
      return this.deriveSync(path)[kStart]('sshPrivateKey', { comment }, passphrase);
    } finally {
      secrets.wipe(passphrase, options?.passphrase);
    }
  }

  async authToken(options) { return this.authTokenSync(options); }

  authTokenSync(options) {
    const { path = IDENTITY, at = new Date() } = check.known(options, ['path', 'at'], 'authToken');
    if (!isDate(at) || Number.isNaN(at.getTime())) throw new TypeError('the option at must be a valid Date');
    return this.deriveSync(path)[kText]('authToken', { at: Math.floor(at.getTime() / 1000) });
  }

  identity(options) {
    const { path = IDENTITY } = check.known(options, ['path'], 'identity');
    return new SecretIdentity(this, path);
  }

  dispose() {
    if (this.#closed) return;
    const last = this.status;
    secrets.release(this.#engine, 'close', this.#number);
    this.#closed = { ...last, state: 'locked', memory: 'none', closed: true, cached: 0 };
    this.#engine.drop(this.#held);
    setImmediate(() => this.#engine.stores.delete(this.#number)); // after it has told that it was locked
  }

  [Symbol.dispose]() { this.dispose(); }

  toJSON() { return this.status; }

  [inspect.custom](_depth, options) { return `SecretStore ${inspect(this.status, options)}`; }
}

brand(SecretStore, 'SecretStore');

module.exports = { SecretStore };
