'use strict';
// What a node signs in elsewhere with.

const path = require('node:path');
const { inspect } = require('node:util');
const check = require('../core/check.js');
const { Date, defineProperty, nextTick, parse, stringify } = require('../core/builtins.js');
const { Emitter } = require('../core/emitter.js');
const { AlknetError } = require('../core/error.js');
const secrets = require('../secret/commands.js');
const { SecretStore } = require('../secret/store.js');
const { brand, kGet, kRun, kStart } = require('../core/symbols.js');

// The parts of each type: those that are no secrets, and those that are.
const PARTS = {
  apiKey: { texts: ['header'], secrets: ['key'] },
  basic: { texts: ['username'], secrets: ['password'] },
  bearer: { texts: [], secrets: ['token'] },
  s3: { texts: ['accessKeyId', 'region', 'endpoint'], secrets: ['secretAccessKey', 'sessionToken'] },
  oidc: { texts: ['issuer', 'clientId', 'scope'], secrets: ['clientSecret', 'refreshToken'] },
};
const TYPES = [...Object.keys(PARTS), 'custom'];
const MAX_PART = 16 * 1024; // bytes
const DEFAULT_HEADER = 'x-api-key';

const local = Symbol.for('alknet.local');

/** Marks an error as one of this node's own affairs: a handler that throws it answers INTERNAL. */
function keepLocal(error) {
  if (error instanceof AlknetError && !error[local]) defineProperty(error, local, { value: true });
  return error;
}

/** Whether an error stays on this node. */
const staysLocal = (error) => error[local] === true;

const parseBytes = (bytes) => parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());

function serviceName(service) {
  if (typeof service !== 'string') throw new TypeError(`the service must be a string such as 'github', not ${check.describe(service)}`);
  return service;
}

/** A credential as the engine takes it: texts, the lengths of the secrets, and these one after the other. */
function engineParts(credential) {
  if (typeof credential !== 'object' || credential === null) throw new TypeError(`the credential must be an object with a type, not ${check.describe(credential)}`);
  const { type } = credential;
  if (!TYPES.includes(type)) throw new TypeError(`the credential's type must be one of ${TYPES.join(', ')}`);
  const texts = {};
  const values = [];
  const add = (name, value) => {
    const bytes = secrets.secretBytes(value, `the secret ${name}`);
    if (bytes.length > MAX_PART) throw new RangeError(`the secret ${name} has ${bytes.length} bytes: want at most ${MAX_PART}`);
    values.push({ name, bytes, given: value });
  };
  if (type === 'custom') {
    check.known(credential, ['type', 'fields'], 'a credential of type custom');
    const { fields } = credential;
    if (typeof fields !== 'object' || fields === null || ArrayBuffer.isView(fields)) throw new TypeError(`the fields of a credential of type custom must be an object, not ${check.describe(fields)}`);
    for (const [name, value] of Object.entries(fields)) add(name, value);
  } else {
    const parts = PARTS[type];
    check.known(credential, ['type', ...parts.texts, ...parts.secrets], `a credential of type ${type}`);
    for (const name of parts.texts) if (credential[name] !== undefined) texts[name] = check.string(credential[name], name);
    for (const name of parts.secrets) if (credential[name] !== undefined) add(name, credential[name]);
  }
  const input = secrets.memory(values.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of values) {
    input.set(bytes, at);
    at += bytes.length;
  }
  const lengths = values.map(({ name, bytes }) => ({ name, length: bytes.length }));
  for (const { bytes, given } of values) if (bytes !== given) secrets.wipe(bytes);
  return { type, fields: texts, secrets: lengths, input, wipe: () => values.forEach(({ given }) => secrets.wipe(given)) };
}

/**
 * How this node signs in to one service. It holds no secret: secret() opens one in the
 * store. Made by CredentialStore.get.
 */
class Credential {
  #open; // opens one secret
  #told;

  constructor(told, open) {
    this.#told = { ...told, added: new Date(told.added), fields: Object.freeze(told.fields), secrets: Object.freeze(told.secrets) };
    this.#open = open;
  }

  get service() { return this.#told.service; }
  get type() { return this.#told.type; }
  get added() { return new Date(this.#told.added); }
  /** The parts that are no secrets, by name. */
  get fields() { return this.#told.fields; }
  /** The names of those that are. */
  get secrets() { return this.#told.secrets; }

  async secret(name) { return this.secretSync(name); }

  secretSync(name) {
    if (typeof name !== 'string') throw new TypeError(`the name of a secret must be a string, not ${check.describe(name)}`);
    return this.#open(name);
  }

  async text(name) { return this.textSync(name); }

  textSync(name) {
    const bytes = this.secretSync(name);
    try {
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
    } finally {
      secrets.wipe(bytes);
    }
  }

  async headers() { return this.headersSync(); }

  headersSync() {
    const { type, fields } = this.#told;
    switch (type) {
      case 'apiKey': return { [fields.header ?? DEFAULT_HEADER]: this.textSync('key') };
      case 'bearer': return { authorization: `Bearer ${this.textSync('token')}` };
      case 'basic': return { authorization: `Basic ${Buffer.from(`${fields.username}:${this.textSync('password')}`).toString('base64')}` };
    }
    throw keepLocal(new AlknetError('INVALID_INPUT', `a credential of type ${type} goes into no header`));
  }

  toJSON() {
    const { service, type, added, fields, secrets: names } = this.#told;
    return { service, type, added: added.toISOString(), fields, secrets: names };
  }

  [inspect.custom](_depth, options) { return `Credential ${inspect(this.#told, options)}`; }
}

/** Credentials in a folder, sealed with the key of a store: one file a service. */
class CredentialStore extends Emitter {
  #store;
  #directory;

  constructor(store, options) {
    super();
    if (!(store instanceof SecretStore)) throw new TypeError(`a CredentialStore needs a SecretStore, not ${check.describe(store)}`);
    const { directory } = check.known(options, ['directory'], 'CredentialStore');
    if (check.string(directory, 'directory') === '') throw new TypeError('the option directory is empty: want the path of a folder');
    this.#store = store;
    this.#directory = path.resolve(directory);
  }

  /** The store whose key seals. */
  get store() { return this.#store; }
  get directory() { return this.#directory; }

  /** Carries out `work` and tells of it. */
  async #audited(action, service, user, work) {
    try {
      const told = await work();
      this.#tell(action, service, user, told?.type);
      return told;
    } catch (error) {
      if (error instanceof AlknetError) this.#tell(action, service, user, undefined, error.code);
      throw keepLocal(error);
    }
  }

  #tell(action, service, user, type, code) {
    try {
      this.emit('audit', { time: new Date(), action, service, ...(type && { type }), ...user, ...(code && { code }) });
    } catch (error) {
      nextTick(() => { throw error; }); // a listener's: what it was told of has been done
    }
  }

  async #ask(name, options, input) {
    return this.#store[kStart](name, { directory: this.#directory, ...options }, input);
  }

  async add(service, credential, options) {
    serviceName(service);
    const { replace = false, wipe = true } = check.known(options, ['replace', 'wipe'], 'add');
    check.boolean(replace, 'replace');
    check.boolean(wipe, 'wipe');
    const { input, wipe: wipeGiven, ...parts } = engineParts(credential);
    const told = await this.#audited('add', service, undefined, async () => {
      try {
        return parseBytes(await this.#ask('credentialAdd', { service, ...parts, replace }, input));
      } finally {
        secrets.wipe(input);
      }
    });
    if (wipe) wipeGiven();
    return { ...told, added: new Date(told.added) };
  }

  get(service) { return this[kGet](service); }

  /** The same for a handler: what is told of it names the operation and its caller. */
  async [kGet](service, user) {
    serviceName(service);
    const { sealed, ...told } = await this.#audited('get', service, user, async () => parseBytes(await this.#ask('credentialGet', { service })));
    const text = Buffer.from(stringify(sealed));
    return new Credential(told, (name) => {
      const room = secrets.memory(MAX_PART);
      try {
        const length = this.#store[kRun]('credentialSecret', { directory: this.#directory, service, name }, text, room);
        this.#tell('open', service, user, told.type);
        const bytes = secrets.memory(length);
        bytes.set(room.subarray(0, length));
        return bytes;
      } catch (error) {
        if (error instanceof AlknetError) this.#tell('open', service, user, told.type, error.code);
        throw keepLocal(error);
      } finally {
        secrets.wipe(room);
      }
    });
  }

  async list() {
    const entries = parseBytes(await this.#ask('credentialList').catch((error) => { throw keepLocal(error); }));
    return entries.map(({ service, changed, keyVersion, info, error }) => ({
      service, ...(changed && { changed: new Date(changed) }), ...(keyVersion && { keyVersion }),
      ...(info && { type: info.type, added: new Date(info.added), fields: info.fields, secrets: info.secrets }),
      ...(error && { error: keepLocal(new AlknetError(error.code, error.message, { retryable: error.retryable })) }),
    }));
  }

  async remove(service) {
    serviceName(service);
    await this.#audited('remove', service, undefined, () => this.#ask('credentialRemove', { service }).then(() => undefined));
  }

  toJSON() { return { directory: this.#directory }; }

  [inspect.custom](_depth, options) { return `CredentialStore ${inspect({ directory: this.#directory, store: this.#store }, options)}`; }
}

/** Checks the option credentials of serve and connect. */
function credentialProvider(value) {
  if (value === undefined || value instanceof CredentialStore) return value;
  if (typeof value === 'object' && value !== null && typeof value.get === 'function') return value;
  throw new TypeError(`the option credentials must be a CredentialStore, or an object with a method get, and is ${check.describe(value)}`);
}

/** Gives a handler the credential of a service, if its registration lists that. */
async function credentialFor({ provider, listed }, service, { operation, identity }) {
  serviceName(service);
  if (!listed.includes(service)) {
    throw keepLocal(new AlknetError('FORBIDDEN', `the handler of ${operation} does not list the credential of ${stringify(service.slice(0, 64))}: add it, as in handle(spec, handler, { credentials: ['github'] })`));
  }
  if (provider === undefined) {
    throw keepLocal(new AlknetError('UNAVAILABLE', 'this node has no credentials for its handlers: give serve() or connect() the option credentials', { retryable: false }));
  }
  if (provider instanceof CredentialStore) return provider[kGet](service, { operation, ...(identity && { identity: identity.id }) });
  try {
    return await provider.get(service);
  } catch (error) {
    throw keepLocal(error);
  }
}

brand(Credential, 'Credential');
brand(CredentialStore, 'CredentialStore');

module.exports = { Credential, CredentialStore, credentialProvider, credentialFor, staysLocal };
