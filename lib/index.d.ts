/// <reference types="node" />
import { EventEmitter } from 'node:events';
export {};

/** A value that travels as JSON (RFC 8259). `undefined` as a whole value travels as null. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The package's version. */
export const version: string;

/** The codes of the call protocol. An operation may define further ones, in upper case. */
export type ErrorCode =
  | 'NOT_FOUND' | 'FORBIDDEN' | 'UNAUTHENTICATED' | 'INVALID_INPUT' | 'CONFLICT' | 'UNIMPLEMENTED' | 'TIMEOUT'
  | 'ABORTED' | 'UNAVAILABLE' | 'RESOURCE_EXHAUSTED' | 'PROTOCOL_ERROR' | 'INTERNAL'
  | SecretErrorCode | (string & {});

/** A failure of the call protocol, of either side. Handlers throw it to answer with its code. */
export class AlknetError extends Error {
  /** Throws a TypeError for a code that is not 1 to 64 of A-Z, 0-9 and _, beginning with a letter. */
  constructor(code: ErrorCode, message: string, options?: {
    /** Whether the same call may succeed later. Default: by the code. */
    retryable?: boolean;
    /** JSON that travels along, the violations of a schema for example. */
    details?: unknown;
    operation?: string;
    cause?: unknown;
  });
  /** Always 'AlknetError'. */
  readonly name: 'AlknetError';
  /** What kind of failure it is; decide by it, not by the message. */
  code: ErrorCode;
  /** Whether the same call may succeed later. */
  retryable: boolean;
  /** Its members and its message; the code, the details and the operation survive JSON. */
  toJSON(): object;
  /** JSON that the other side has sent along. */
  details?: unknown;
  /** The operation that was called, as the caller wrote it. */
  operation?: string;
  /** Of a request that failed: false where it never left this node; true where it may have run. */
  sent?: boolean;
}

/** What generateKey makes. */
export interface GeneratedKey {
  /** An OpenSSH private key, to be kept in a file of mode 0600. JavaScript cannot wipe this string. */
  privateKey: string;
  /** A line for authorized_keys. */
  publicKey: string;
  /** The key in the form that addresses carry: base58btc of its 32 bytes. */
  endpointId: string;
  /** SHA256:…, as ssh-keygen -l prints it. */
  fingerprint: string;
}

/** Makes an Ed25519 key. */
export function generateKey(comment?: string): GeneratedKey;

/** The public parts of an OpenSSH private key without passphrase, or of a public key line. Throws AlknetError INVALID_INPUT. */
export function publicKey(key: string | Uint8Array): Pick<GeneratedKey, 'publicKey' | 'endpointId' | 'fingerprint'>;

/** The parts of an address such as `alknet://<endpoint-id>@host:4433`. Throws AlknetError INVALID_INPUT. */
export function parseAddress(address: string): {
  scheme: 'alknet' | 'quic' | 'tls' | 'tcp' | 'unix';
  /** The key that the address pins; null when it pins none. */
  endpointId: string | null;
  host: string;
  port: number;
  /** Of unix://. */
  path: string;
};

/** Who is calling. */
export interface Identity {
  /** The fingerprint of the key. */
  id: string;
  /** What the caller may do. */
  scopes: string[];
  /** By type: the ids of what the caller may do it with. */
  resources?: { [type: string]: string[] };
}

/** The key that is a node's identity, and signs for it. */
export interface KeyOptions {
  /** The path of an OpenSSH private key file, or its contents, which are copied into the engine at once: wipe them after the call. */
  key?: string | Uint8Array;
  /** Of a protected key. Prefer bytes: a string cannot be wiped. */
  passphrase?: string | Uint8Array;
  /** In place of key: a key of a store, which signs there. When the store is locked, open sessions go on and new ones are LOCKED. */
  identity?: SecretIdentity;
}

/**
 * Where an engine runs: in this process, as the addon, or in a process of its own, as `alknet engine`, which has the
 * secrets in its own memory; docs/guide/engines.md compares them.
 */
export type EngineKind = 'addon' | 'process';

/** Where the engine runs. */
export interface EngineOptions {
  /**
   * Default: that of the options identity and head, else of the environment variable ALKNET_ENGINE, else the addon where it
   * can be loaded, and the process where it cannot. What is used together must be of one engine.
   */
  engine?: EngineKind;
}

/** What connect takes. Every option may be left out. */
export interface ConnectOptions extends KeyOptions, EngineOptions {
  /** A certificate of the key as ssh-keygen -s makes it, the text of the file -cert.pub. */
  certificate?: string;
  /** A token or an API key in place of a key, see `alknet token` and `alknet apikey`. */
  token?: string;
  /** Accepts a head whose key is neither pinned by the address nor certified. Default false. */
  insecure?: boolean;
  /** PEM certificates that certify the head. Default: the system's. */
  ca?: string;
  /** Milliseconds for each attempt to connect. Default 10,000. */
  timeout?: number;
  /** Whether to dial again when the session is lost, after 1 to 30 s. Default true. Calls are never sent again. */
  reconnect?: boolean;
  /** What the head may do with this node's operations. Default: nothing that requires a scope. */
  peerScopes?: string[];
  /** `maxWaiting`: how many requests may wait until the head has room for them; 0 refuses them at once. Default 131,072. */
  limits?: { maxWaiting?: number };
  /**
   * A server whose operations, and those of the nodes behind it, this connection offers: a head that
   * is itself a worker of another one. Default: the connection offers what its own handle() is given.
   */
  head?: Server;
  /** Where handlers of this node get what they sign in elsewhere with. Default: nowhere. */
  credentials?: CredentialProvider;
  /** Aborts the attempt to connect. */
  signal?: AbortSignal;
}

/** The options of serve() that reload() can give anew. */
export interface ReloadOptions {
  /**
   * The configuration: the path of a TOML file, or its structure, see docs/config.md. Of one with the other options here, these
   * are stronger.
   */
  config?: string | Configuration;
  /** Lines as in authorized_keys, or the path of such a file. Default: nobody. */
  authorizedKeys?: string | string[];
  /** Scopes of keys that have none of their own. */
  defaultScopes?: string[];
  /** Lets callers without an authorized key reach operations without requirements. Default false. */
  allowAnonymous?: boolean;
  /** Milliseconds that close() lets calls finish. Default 5,000. */
  drain?: number;
  limits?: Limits;
  /** Rules of this node's own: callers of paths that match need the scopes, whatever the operations require. */
  access?: AccessRule[];
}

/** What serve takes. Every option may be left out: then it listens on loopback with a key of its own, and nobody may call it. */
export interface ServeOptions extends KeyOptions, ReloadOptions, EngineOptions {
  /** Where to listen; `host:port` is QUIC and TLS on one port. Default 127.0.0.1:4433. */
  listen?: string | string[];
  /** The node's name, as /node/info tells it. */
  name?: string;
  /** Where handlers of this node get what they sign in elsewhere with. Default: nowhere. */
  credentials?: CredentialProvider;
  /** Aborts the start. */
  signal?: AbortSignal;
}

/** What strangers and sessions may cost. An IPv6 address counts as its /64 network. Times are in milliseconds. */
export interface Limits {
  /** Connections of all addresses together; 0 is no limit. Default 10,000. */
  connections?: number;
  /** Connections of one address; 0 is no limit. Default 64, and none where every listener is on loopback. */
  connectionsPerAddress?: number;
  /** Sessions of one identity; 0 is no limit. Default 256. */
  sessionsPerIdentity?: number;
  /** Credentials that may be refused before their connection is closed; 0 is no limit. Default 5. */
  failuresPerConnection?: number;
  /** Credentials of one address that may be refused in a minute before it is kept out for the rest of it; 0 is no limit. Default 30, and none where every listener is on loopback. */
  failuresPerAddress?: number;
  /** Bytes of the largest frame. Default 16 MiB. */
  maxFrame?: number;
  /** Requests of a session that run at the same time. Default 1,024. */
  maxInFlight?: number;
  /** Bytes that may wait for a caller who does not read. Default 64 MiB. */
  maxQueued?: number;
  /** Requests of this node that may wait on a session until its other side has room; 0 refuses them at once. Default 131,072. */
  maxWaiting?: number;
  /** How long a client may take to open its session. Default 5,000. */
  openTimeout?: number;
  /** How often a silent byte stream is probed. Default 20,000. */
  pingInterval?: number;
  /** How long a byte stream may be silent. Default 60,000. */
  deadAfter?: number;
}

/** A span of time: milliseconds, or as in '1m30s'. */
export type Duration = number | string;

/** The structure of a node's configuration: the keys of the file, in camel case. docs/config.md describes each. */
export interface Configuration {
  node?: { name?: string; key?: string; drain?: Duration };
  listeners?: { address: string; interfaces?: 'frames'[] }[];
  tls?: { certificate?: string; key?: string };
  auth?: {
    authorizedKeys?: string;
    revokedKeys?: string;
    apiKeyFile?: string;
    defaultScopes?: string[];
    allowAnonymous?: boolean;
    replayWindow?: boolean;
    keys?: {
      publicKey: string; scopes?: string[]; resources?: { [type: string]: string[] }; from?: string[]; expires?: string;
      certAuthority?: boolean; principals?: string[];
    }[];
    apiKeys?: {
      prefix: string; sha256: string; description?: string; scopes?: string[]; resources?: { [type: string]: string[] };
      created?: string; expires?: string;
    }[];
  };
  access?: AccessRule[];
  forwarding?: {
    default?: 'allow' | 'deny';
    rules?: { target: string; action: 'allow' | 'deny'; principals?: string[]; transports?: ('quic' | 'tls' | 'tcp' | 'unix')[] }[];
  };
  limits?: Omit<Limits, 'openTimeout' | 'pingInterval' | 'deadAfter'> & { openTimeout?: Duration; pingInterval?: Duration; deadAfter?: Duration };
  log?: { level?: 'debug' | 'info' | 'warn' | 'error'; format?: 'text' | 'json' };
  audit?: { file?: string };
  traces?: { endpoint?: string; headers?: { [name: string]: string }; ratio?: number };
}

/** What a reload has done. */
export interface Reloaded {
  /** Keys of the configuration whose values differ from before, as in 'limits.connections'. */
  changed: string[];
  /** Keys that differ from what the server was started with, and wait for the next start. */
  restart: string[];
  /** Authorized keys and authorities, and API keys, that there are now. */
  keys: number;
  apiKeys: number;
  /** Sessions that were ended because their credential is not accepted any more. */
  ended: number;
}

/** Who calls an operation whose path matches needs the scopes. */
export interface AccessRule {
  /** A path as callers of this node write it; `*` stands for any one segment, `**` for any number: `/dev1/**`. */
  path: string;
  /** All of them are needed. */
  scopes: string[];
}

/** What a call takes. Every option may be left out. */
export interface CallOptions {
  /** Aborts the call on both sides; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds until it rejects with TIMEOUT; the other side is told too. Default: none. */
  timeout?: number;
  /** Travels along, trace context for example. */
  metadata?: { [key: string]: string };
  /** Makes this one request under the token's identity. */
  authToken?: string;
}

/** What a subscription takes. Every option may be left out. */
export interface SubscribeOptions extends CallOptions {
  /** Milliseconds without an event, while there is room for one, until it fails with TIMEOUT: 100 or more, else INVALID_INPUT. */
  idleTimeout?: number;
  /** Events that the other side may be ahead of the reader. Default 256. */
  window?: number;
}

/** The events of a subscription, for one reader. `break` in `for await` stops the producer. */
export class Subscription<T = any> implements AsyncIterableIterator<T> {
  private constructor();
  /** The next event. Waits for it; rejects with AlknetError once, and is done afterwards. */
  next(): Promise<IteratorResult<T, undefined>>;
  /** Stops the producer and drops what has not been read. */
  return(value?: any): Promise<IteratorResult<T, any>>;
  /** Stops the producer, and rejects with the error. */
  throw(error?: any): Promise<IteratorResult<T, any>>;
  [Symbol.asyncIterator](): this;
  /** Stops the producer, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What calls another node's operations. */
export interface Caller {
  /** Calls an operation. Rejects with AlknetError; throws TypeError or RangeError for wrong arguments. */
  call<T = any>(operation: string, input?: unknown, options?: CallOptions): Promise<T>;
  /** Subscribes to an operation. The subscription begins at once and buffers at most its window. */
  subscribe<T = any>(operation: string, input?: unknown, options?: SubscribeOptions): Subscription<T>;
}

/** A session with another node. Safe to keep: once it has ended its calls fail with UNAVAILABLE. */
export class Session implements Caller {
  private constructor();
  /** Who the other side is; null is anonymous. */
  readonly identity: Identity | null;
  /** How the other side is connected. */
  readonly transport?: 'quic' | 'tls' | 'tcp' | 'unix';
  /** Where the other side has connected from; undefined of the session of a connection. */
  readonly remoteAddress?: string;
  /** The other side's endpoint id, where its transport proves one. */
  readonly endpointId: string | null;
  /** Calls an operation of the other side. Rejects with AlknetError. */
  call<T = any>(operation: string, input?: unknown, options?: CallOptions): Promise<T>;
  /** Subscribes to an operation of the other side. */
  subscribe<T = any>(operation: string, input?: unknown, options?: SubscribeOptions): Subscription<T>;
  /** Ends the session at once. */
  close(reason?: string): void;
}

/** What a caller needs. Without any of it everybody who has a session may call. */
export interface AccessControl {
  /** The caller needs all of them. */
  requiredScopes?: string[];
  /** The caller needs one of them. */
  requiredScopesAny?: string[];
  resourceType?: string;
  resourceAction?: string;
  /** A JSON pointer (RFC 6901) to the input's member that names the resource. */
  resourceIdPath?: string;
}

/** A JSON Schema 2020-12. */
export type Schema = boolean | { [keyword: string]: any };

/** What an operation is called, takes and gives, and who may call it. */
export interface OperationSpec {
  /** `/namespace/operation`. */
  name: string;
  /** Default 'query'. */
  type?: 'query' | 'mutation' | 'subscription';
  description?: string;
  version?: string;
  /** Inputs that do not match are refused with INVALID_INPUT before the handler runs. */
  inputSchema?: Schema;
  outputSchema?: Schema;
  /** By code: the schema of its details. */
  errorSchemas?: { [code: string]: Schema };
  accessControl?: AccessControl;
  /** 'internal' operations cannot be called from outside. Default 'external'. */
  visibility?: 'external' | 'internal';
  tags?: string[];
}

/** What a handler's invoke takes. The deadline of its own request bounds `timeout`. */
export interface InvokeOptions extends CallOptions {
  /** Lets the call go on when the handler's own request has ended, its deadline included. Default false. */
  continueRunning?: boolean;
  /** A handler invokes under its own identity. */
  authToken?: never;
}

/** One request, as its handler sees it. */
export interface Context {
  /** The session that it came on, for calling back. Its calls fail when a handler of the same node makes the request. */
  readonly session: Session;
  /** The operation that was called, /namespace/op. */
  readonly operation: string;
  /** The number of the request, unlike those of all others of its session. */
  readonly requestId: string;
  /** The request that made this one, if a handler has. */
  readonly parentRequestId?: string;
  /** Who is calling; null is anonymous. */
  readonly identity: Identity | null;
  /** The same, where a head that this node has pinned passes the request on; undefined where nobody does. */
  readonly forwardedFor?: Identity | null;
  /** What the handler may do itself. */
  readonly handlerIdentity: Identity;
  /** What the caller has sent along. */
  readonly metadata: { [key: string]: string };
  /** Milliseconds since 1970 at which the caller stops waiting. */
  readonly deadline?: number;
  /** Aborted when the caller stops waiting, its deadline passes or the session ends. */
  readonly signal: AbortSignal;
  /**
   * Calls /namespace/op on behalf of the handler, wherever it is: on this node, in a service attached to it,
   * on a node that has joined this head (`ctx.invoke('dev1/fs', 'read', …)`), or on the head that this node is
   * connected to. What the handler's `reach` does not list is NOT_FOUND. The call is made under the handler's
   * identity; only the head, and nodes behind it, see this node's identity instead. It carries this request's
   * metadata, ends with it and at its deadline, unless `continueRunning` is set.
   */
  readonly invoke: <T = any>(namespace: string, op: string, input?: unknown, options?: InvokeOptions) => Promise<T>;
  /** Subscribes as invoke() calls. */
  readonly subscribe: <T = any>(namespace: string, op: string, input?: unknown, options?: Omit<SubscribeOptions, 'authToken'>) => Subscription<T>;
  /**
   * What this node signs in to a service with, from the option `credentials` of serve() or connect(). Rejects with FORBIDDEN for a
   * service that the handler's registration does not list, with UNAVAILABLE where the node has no credentials, and as
   * CredentialStore.get() does. These errors stay on this node: a handler that does not catch one answers INTERNAL.
   */
  readonly credentials: (service: string) => Promise<Credential>;
}

/** What a handler may do itself. */
export interface HandlerOptions {
  /** Under what identity it invokes others. Default: one without scopes, named after its operation. */
  identity?: { id?: string; scopes?: string[]; resources?: { [type: string]: string[] } };
  /** Which operations it may invoke, `*` standing for any one segment and `**` for any number. Default: none. */
  reach?: string[];
  /** The services whose credentials it may use, by their exact names. Default: none. */
  credentials?: string[];
}

/** Answers a call. What it throws reaches the caller as INTERNAL without its text, unless it is an AlknetError. */
export type Handler<I = any, O = any> = (input: I, context: Context) => O | Promise<O>;

/** Produces the events of a subscription; it is resumed only while the subscriber has room. */
export type StreamHandler<I = any, O = any> = (input: I, context: Context) => AsyncIterable<O> | Iterable<O> | Promise<AsyncIterable<O> | Iterable<O>>;

/** One record of the engine's log. */
export interface LogRecord {
  level: 'info' | 'warn' | 'error';
  message: string;
  attributes: { [name: string]: string };
}

interface NodeEvents {
  close: [error?: AlknetError];
  /** Without a listener the first error of each operation becomes a process warning. */
  handlerError: [error: unknown, operation: string];
  log: [record: LogRecord];
}

interface ConnectionEvents extends NodeEvents {
  /** The session was lost, and what was pending has failed with UNAVAILABLE; the connection dials again by itself. */
  disconnect: [error: AlknetError];
  reconnect: [];
  /** The head does not know this node by its name any more: CONFLICT when another session of the same key has taken it over. */
  left: [error: AlknetError];
}

interface ServerEvents extends NodeEvents {
  session: [session: Session];
  sessionClosed: [session: Session, error?: AlknetError];
}

declare abstract class Node<Events extends { [E in keyof Events]: any[] }> extends EventEmitter {
  /** Where it runs. */
  readonly engine: EngineKind;
  /** Offers an operation to the other side; resolves when it can be called. Rejects with INVALID_INPUT or CONFLICT. */
  handle<I = any, O = any>(spec: OperationSpec & { type: 'subscription' }, handler: StreamHandler<I, O>, options?: HandlerOptions): Promise<void>;
  handle<I = any, O = any>(spec: string | (OperationSpec & { type?: 'query' | 'mutation' }), handler: Handler<I, O>, options?: HandlerOptions): Promise<void>;
  /** Withdraws an operation; requests that run go on. */
  unhandle(name: string): void;
  /** Lets calls that run finish for `drain` ms, fails the rest with UNAVAILABLE. Idempotent; never rejects. */
  close(options?: { drain?: number }): Promise<void>;
  /** Keeps the process alive while the node is open: the default. */
  ref(): this;
  /** Lets the process end while the node is open and nothing is pending. */
  unref(): this;
  readonly closed: boolean;
  [Symbol.asyncDispose](): Promise<void>;

  on<E extends keyof Events & string>(event: E, listener: (...args: Events[E]) => void): this;
  once<E extends keyof Events & string>(event: E, listener: (...args: Events[E]) => void): this;
  off<E extends keyof Events & string>(event: E, listener: (...args: Events[E]) => void): this;
}

/** A connection to a head. Both sides may call. */
export class Connection extends Node<ConnectionEvents> implements Caller {
  private constructor();
  /** The head's endpoint id. */
  readonly endpointId: string;
  /** Who the head takes this node for; null is anonymous. */
  readonly identity: Identity | null;
  /** How this node is connected. */
  readonly transport: 'quic' | 'tls' | 'tcp' | 'unix';
  /** The address that connect was given. */
  readonly address: string;
  /** Calls an operation of the head, or of a node behind it. Rejects with AlknetError; throws TypeError or RangeError for wrong arguments. */
  call<T = any>(operation: string, input?: unknown, options?: CallOptions): Promise<T>;
  /** Subscribes to an operation of the head, or of a node behind it. Begins at once and buffers at most its window. */
  subscribe<T = any>(operation: string, input?: unknown, options?: SubscribeOptions): Subscription<T>;
  /**
   * Registers this node with the head under a name: others call what it handles there, as /name/namespace/operation.
   * What it handles later is announced too, and the name is registered again after each reconnect. The head must be
   * certain: its address pins its key, and the transport is QUIC or TLS. This node's key needs the scope
   * node:register or node:register:name there. Rejects with FORBIDDEN, CONFLICT, INVALID_INPUT or RESOURCE_EXHAUSTED.
   */
  join(name: string, options?: { signal?: AbortSignal; timeout?: number }): Promise<void>;
  /** Takes the name back; the connection stays open. */
  leave(): Promise<void>;
  /** The operations of the head that this node may call. */
  services(options?: CallOptions): Promise<{ name: string; type: string; description?: string }[]>;
  /** The whole spec of one operation of the head. */
  schema(name: string, options?: CallOptions): Promise<OperationSpec>;
}

/** A node that listens. */
export class Server extends Node<ServerEvents> {
  private constructor();
  /** The first address, for clients: it pins the server's key. */
  readonly address: string;
  /** All addresses, in the order of `listen`. */
  readonly addresses: string[];
  /** The server's key in the form that addresses carry: base58btc of its 32 bytes. */
  readonly endpointId: string;
  /** SHA256:…, as ssh-keygen -l prints it. */
  readonly fingerprint: string;
  /** The sessions that are open now. */
  readonly sessions: Session[];
  /**
   * Reads the configuration again, with the files that it names; options that are given take the place of those of serve(). Sessions
   * whose credential is not accepted any more end. A mistake changes nothing, and rejects with INVALID_INPUT: details.errors says
   * what and where.
   */
  reload(options?: ReloadOptions): Promise<Reloaded>;
}

/** Connects to a head. Rejects with AlknetError: UNAUTHENTICATED, UNAVAILABLE, TIMEOUT, INVALID_INPUT or PROTOCOL_ERROR. */
export function connect(address: string, options?: ConnectOptions): Promise<Connection>;

/** Starts a node that listens. Without a key it makes one that lives as long as the server. */
export function serve(options?: ServeOptions): Promise<Server>;

/** The codes of a store's errors, see docs/guide/secrets.md. */
export type SecretErrorCode =
  | 'LOCKED' | 'ALREADY_UNLOCKED' | 'CLOSED' | 'MEMORY_LOCK' | 'INVALID_MNEMONIC' | 'INVALID_PATH' | 'INVALID_INPUT'
  | 'DECRYPTION_FAILED' | 'UNKNOWN_KEY_VERSION' | 'NOT_EXPORTABLE' | 'RESOURCE_EXHAUSTED';

/** A wordlist of BIP-39. */
export type Wordlist =
  | 'english' | 'japanese' | 'korean' | 'spanish' | 'chinese_simplified' | 'chinese_traditional' | 'french' | 'italian' | 'czech';

/** How many words a phrase has: 128, 160, 192, 224 or 256 bits. */
export type WordCount = 12 | 15 | 18 | 21 | 24;

/** What a key is for: RFC 8032, secp256k1, or AES-256-GCM. */
export type KeyType = 'ed25519' | 'secp256k1' | 'aes-256-gcm';

/** The names of all wordlists. */
export const wordlists: readonly Wordlist[];

/**
 * Makes a random phrase, as UTF-8; wipe it after use. Default: 24 English words.
 */
export function generateMnemonic(options?: { words?: WordCount; wordlist?: Wordlist }): Uint8Array;

/**
 * Tells the wordlist of a phrase. The phrase is neither changed nor wiped. Throws AlknetError INVALID_MNEMONIC for a wrong
 * count of words, an unknown word, by its position, or a wrong checksum.
 */
export function validateMnemonic(phrase: Uint8Array | string): Wordlist;

/** A sealed value: AES-256-GCM, in standard base64. Not secret; the form is frozen. */
export interface EncryptedData {
  /** The version of the sealing key. */
  key_version: number;
  /** 32 random bytes that mean nothing, kept for compatibility. */
  salt: string;
  /** The nonce, 12 bytes. */
  iv: string;
  /** Ciphertext and tag. */
  data: string;
}

/** What a store is made with. Every option may be left out. */
export interface SecretStoreOptions extends EngineOptions {
  /** False closes the door out: every export of a private key is NOT_EXPORTABLE. Default true. */
  exportable?: boolean;
  /** Makes unlocking fail with MEMORY_LOCK where the system refuses to lock memory. Default false: a warning and `status.memory`. */
  requireLockedMemory?: boolean;
  /** How many derived keys are kept. Default 64; 0 for none. */
  cacheSize?: number;
  /** Milliseconds that a derived key is kept. Default 1 hour; Infinity for as long as the store is unlocked. */
  cacheTtl?: number;
  /** Milliseconds without use after which the store locks itself. Default: never. */
  idleTimeout?: number;
  /** `status.sealCounts` of before: with it the limit of seals for one key spans restarts. */
  sealCounts?: { [version: number]: number };
}

/** What a store is in; no secret. */
export interface SecretStatus {
  state: 'locked' | 'unlocked';
  /** Where the secrets lie: 'unlocked' memory is guarded and wiped, but may be swapped to disk. */
  memory: 'none' | 'locked' | 'unlocked';
  exportable: boolean;
  closed: boolean;
  /** Derived keys in the cache. */
  cached: number;
  /** How often each version of the sealing key has sealed. */
  sealCounts: { [version: number]: number };
}

/** What happened in a store; never a value. */
export interface AuditEvent {
  time: Date;
  /** sign, seal, open and password are told of only when they fail. */
  action: 'unlock' | 'lock' | 'idle_lock' | 'derive' | 'export' | 'sign' | 'seal' | 'open' | 'password';
  path?: string;
  type?: KeyType;
  /** Why it failed. */
  /** UNAVAILABLE: the engine's process has ended, and the store is locked. */
  code?: SecretErrorCode | 'UNAVAILABLE';
}

interface SecretEvents {
  audit: [event: AuditEvent];
  /** Memory is not locked; told at most once per store. Without a listener it becomes a process warning. */
  warning: [message: string];
}

interface SealOptions {
  /** Whether the plaintext is wiped once it is sealed. Default true. */
  wipe?: boolean;
}

/** A derived key that can be used and not read. After the store was locked it is dead: derive it again. */
export class SecretKey {
  private constructor();
  /** Where it was derived, with ' for hardened levels. */
  readonly path: string;
  readonly type: KeyType;
  readonly store: SecretStore;
  /** A copy of the public key: 32 bytes, or 33 for secp256k1 (compressed, SEC 1); null for a sealing key. */
  readonly publicKey: Uint8Array | null;
  /**
   * Signs. Ed25519: a message of any length, 64 bytes (RFC 8032). secp256k1: a digest of 32 bytes, 65 bytes r ‖ s ‖ recovery id
   * (RFC 6979, low s). The message is not wiped.
   */
  sign(message: Uint8Array): Promise<Uint8Array>;
  signSync(message: Uint8Array): Uint8Array;
  /** Encrypts with an aes-256-gcm key, at most 32 MiB: nonce ‖ ciphertext ‖ tag. The plaintext is wiped once it is sealed. */
  seal(plaintext: Uint8Array, options?: SealOptions): Promise<Uint8Array>;
  sealSync(plaintext: Uint8Array, options?: SealOptions): Uint8Array;
  /** Decrypts what seal gave. The plaintext is yours to wipe. DECRYPTION_FAILED for every fault of the data. */
  open(sealed: Uint8Array): Promise<Uint8Array>;
  openSync(sealed: Uint8Array): Uint8Array;
  /** The 32 bytes of the private key, yours to wipe. NOT_EXPORTABLE if the store is not exportable. */
  exportPrivateKey(): Promise<Uint8Array>;
  exportPrivateKeySync(): Uint8Array;
  toJSON(): { path: string; type: KeyType; publicKey?: string };
}

/** An Ed25519 key of a store, for the option `identity` of connect and serve: handshakes and tokens are signed in the store. */
export class SecretIdentity {
  private constructor();
  readonly store: SecretStore;
  readonly path: string;
  /** A line for authorized_keys. */
  readonly publicKey: string;
  readonly endpointId: string;
  /** SHA256:…, as ssh-keygen -l prints it. */
  readonly fingerprint: string;
  toJSON(): { path: string; publicKey: string; endpointId: string; fingerprint: string };
}

interface AccountOptions {
  /** The account m/44'/60'/0'/0/index. Default 0. */
  index?: number;
  /** Another path, in place of index. */
  path?: string;
}

/** Typed data as eth_signTypedData_v4 takes it (EIP-712). */
export interface TypedData {
  types: { [name: string]: readonly { name: string; type: string }[] };
  primaryType: string;
  /** Values may be BigInt. */
  domain: { [name: string]: unknown };
  message: { [name: string]: unknown };
}

/** The Ethereum accounts of a store. Signatures are 0x and 65 bytes in hexadecimal: r ‖ s ‖ v, v being 27 or 28. */
export interface Ethereum {
  /** With the checksum of EIP-55. */
  address(options?: AccountOptions): Promise<string>;
  addressSync(options?: AccountOptions): string;
  /** Signs 32 bytes as they are, a transaction's hash included: never let strangers choose them. */
  signDigest(digest: Uint8Array | string, options?: AccountOptions): Promise<string>;
  signDigestSync(digest: Uint8Array | string, options?: AccountOptions): string;
  /** Signs as personal_sign does (EIP-191). */
  signMessage(message: Uint8Array | string, options?: AccountOptions): Promise<string>;
  signMessageSync(message: Uint8Array | string, options?: AccountOptions): string;
  /** Signs as eth_signTypedData_v4 does; read strictly, at most 1 MiB of JSON. */
  signTypedData(typedData: TypedData | string, options?: AccountOptions): Promise<string>;
  signTypedDataSync(typedData: TypedData | string, options?: AccountOptions): string;
}

/** What a derived password is made of. The same policy gives the same password. */
export interface PasswordPolicy {
  /** Characters, from 4 to 128. Default 20. */
  length?: number;
  /** At least one of each. Default: all four. */
  classes?: readonly ('lower' | 'upper' | 'digits' | 'symbols')[];
}

/**
 * One mnemonic, and every key that is derived from it. It begins locked. What it holds is in memory that is locked, guarded and
 * left out of core dumps, outside of the JavaScript heap. Methods reject, or throw, AlknetError with a SecretErrorCode; wrong
 * arguments are TypeError or RangeError.
 */
export class SecretStore extends EventEmitter {
  constructor(options?: SecretStoreOptions);
  /**
   * Unlocks the store with a BIP-39 phrase. Phrase and passphrase are wiped before this returns, whatever comes of it. Prefer
   * bytes: strings are taken, and cannot be wiped. Aborting leaves the store locked.
   */
  unlock(mnemonic: Uint8Array | string, options?: { passphrase?: Uint8Array | string; signal?: AbortSignal }): Promise<void>;
  /** Unlocks the store with a new phrase, and gives it: this once. Back it up, then wipe it. Default: 24 English words. */
  create(options?: { words?: WordCount; wordlist?: Wordlist; passphrase?: Uint8Array | string; signal?: AbortSignal }): Promise<Uint8Array>;
  /** Wipes everything and kills all keys. With `disconnect`, connections and sessions that have their identity from here end with LOCKED. */
  lock(options?: { disconnect?: boolean }): void;
  readonly locked: boolean;
  /** Where the secrets lie. */
  readonly engine: EngineKind;
  readonly status: SecretStatus;
  /** A handle for the key at a path such as `m/74'/0'/0'/0'`. Default type: ed25519. */
  derive(path: string, type?: KeyType): Promise<SecretKey>;
  deriveSync(path: string, type?: KeyType): SecretKey;
  /** Seals a value of at most 32 MiB with a version of the sealing key, 2 by default. The plaintext is wiped once it is sealed. */
  encrypt(plaintext: Uint8Array, options?: SealOptions & { version?: number }): Promise<EncryptedData>;
  encryptSync(plaintext: Uint8Array, options?: SealOptions & { version?: number }): EncryptedData;
  /** Opens a value, given as an object or JSON. The plaintext is yours to wipe. DECRYPTION_FAILED, UNKNOWN_KEY_VERSION, INVALID_INPUT. */
  decrypt(data: EncryptedData | string): Promise<Uint8Array>;
  decryptSync(data: EncryptedData | string): Uint8Array;
  /** Opens a value and seals it with another version of the key; it does not leave the store. */
  rotate(data: EncryptedData | string, options?: { version?: number }): Promise<EncryptedData>;
  rotateSync(data: EncryptedData | string, options?: { version?: number }): EncryptedData;
  /** The password for a site, always the same: ASCII, yours to wipe. */
  password(site: string, policy?: PasswordPolicy): Promise<Uint8Array>;
  passwordSync(site: string, policy?: PasswordPolicy): Uint8Array;
  /** The same as bytes of any value, from 1 to 8160 of them. Default 32. */
  passwordBytes(site: string, length?: number): Promise<Uint8Array>;
  passwordBytesSync(site: string, length?: number): Uint8Array;
  readonly ethereum: Ethereum;
  /** An Ed25519 key as a line of authorized_keys. Default path: the identity, `m/74'/0'/0'/0'`. */
  sshPublicKey(options?: { path?: string; comment?: string }): Promise<string>;
  sshPublicKeySync(options?: { path?: string; comment?: string }): string;
  /** The private key as an OpenSSH file, yours to wipe. With a passphrase, which is wiped, it takes some tenths of a second. NOT_EXPORTABLE. */
  sshPrivateKey(options?: { path?: string; comment?: string; passphrase?: Uint8Array | string }): Promise<Uint8Array>;
  /** An AuthToken, a credential for about five minutes from `at`. Default: the identity, now. */
  authToken(options?: { path?: string; at?: Date }): Promise<string>;
  authTokenSync(options?: { path?: string; at?: Date }): string;
  /** What connect and serve take as `identity`. Throws LOCKED in a locked store. Default path: `m/74'/0'/0'/0'`. */
  identity(options?: { path?: string }): SecretIdentity;
  /** Wipes the store for good. */
  dispose(): void;
  [Symbol.dispose](): void;
  toJSON(): SecretStatus;

  on<E extends keyof SecretEvents & string>(event: E, listener: (...args: SecretEvents[E]) => void): this;
  once<E extends keyof SecretEvents & string>(event: E, listener: (...args: SecretEvents[E]) => void): this;
  off<E extends keyof SecretEvents & string>(event: E, listener: (...args: SecretEvents[E]) => void): this;
}

/** A part of a credential that is secret. Prefer bytes, which are wiped once they are sealed: a string cannot be. At most 16 KiB of UTF-8. */
export type CredentialSecret = Uint8Array | string;

/** What kind of credential it is, which says what its fields are: see docs/guide/credentials.md. */
export type CredentialType = 'apiKey' | 'basic' | 'bearer' | 's3' | 'oidc' | 'custom';

/** A credential as it is added. */
export type CredentialInput =
  /** `header` is the HTTP header that takes the key, x-api-key by default. */
  | { type: 'apiKey'; key: CredentialSecret; header?: string }
  | { type: 'basic'; username: string; password: CredentialSecret }
  | { type: 'bearer'; token: CredentialSecret }
  | { type: 's3'; accessKeyId: string; secretAccessKey: CredentialSecret; sessionToken?: CredentialSecret; region?: string; endpoint?: string }
  /** A client's secret, a refresh token, or both. */
  | { type: 'oidc'; issuer: string; clientId: string; clientSecret?: CredentialSecret; refreshToken?: CredentialSecret; scope?: string }
  /** Up to 32 parts, all of them secret. */
  | { type: 'custom'; fields: { [name: string]: CredentialSecret } };

/** What can be told of a credential: everything but its secrets. */
export interface CredentialInfo {
  service: string;
  type: CredentialType;
  added: Date;
  /** The parts that are no secrets, by name. */
  fields: { readonly [name: string]: string };
  /** The names of those that are. */
  secrets: readonly string[];
}

/** A credential in a list: names alone while the store is locked. */
export interface CredentialEntry extends Partial<CredentialInfo> {
  service: string;
  /** When the file was written. */
  changed?: Date;
  /** The version of the sealing key. */
  keyVersion?: number;
  /** Why get() would fail. */
  error?: AlknetError;
}

/**
 * How this node signs in to one service. The object holds no secret, and shows none in a log, `util.inspect` or JSON; its methods
 * open one in the store. They reject, or throw, LOCKED as soon as the store is locked, and DECRYPTION_FAILED if it was unlocked
 * with another phrase.
 */
export class Credential implements CredentialInfo {
  private constructor();
  readonly service: string;
  readonly type: CredentialType;
  readonly added: Date;
  readonly fields: { readonly [name: string]: string };
  readonly secrets: readonly string[];
  /** One secret as bytes, yours to wipe. NOT_FOUND for one that the credential has not. */
  secret(name: string): Promise<Uint8Array>;
  secretSync(name: string): Uint8Array;
  /** One secret as a string, which JavaScript cannot wipe: for libraries that take nothing else. */
  text(name: string): Promise<string>;
  textSync(name: string): string;
  /** The HTTP header of an apiKey, basic or bearer credential, for fetch(): a string, too. INVALID_INPUT for other types. */
  headers(): Promise<{ [name: string]: string }>;
  headersSync(): { [name: string]: string };
  toJSON(): { service: string; type: CredentialType; added: string; fields: { readonly [name: string]: string }; secrets: readonly string[] };
}

/** What gives handlers their credentials: a CredentialStore, or anything with such a method. */
export interface CredentialProvider {
  get(service: string): Promise<Pick<Credential, keyof Credential>>;
}

/** What was done with a credential; never a value. */
export interface CredentialAuditEvent {
  time: Date;
  action: 'add' | 'get' | 'open' | 'remove';
  service: string;
  type?: CredentialType;
  /** The operation whose handler did it, and the id of its caller. */
  operation?: string;
  identity?: string;
  /** Why it failed. */
  code?: ErrorCode;
}

interface CredentialEvents {
  audit: [event: CredentialAuditEvent];
}

/**
 * Credentials in a folder, one file a service, sealed with the key of a store. It holds nothing in memory: each get() reads the
 * file, and each secret is opened in the store when it is asked for. Methods reject with AlknetError: LOCKED, NOT_FOUND, CONFLICT,
 * INVALID_INPUT, DECRYPTION_FAILED, RESOURCE_EXHAUSTED, UNAVAILABLE, CLOSED.
 */
export class CredentialStore extends EventEmitter implements CredentialProvider {
  constructor(secrets: SecretStore, options: { directory: string });
  readonly store: SecretStore;
  readonly directory: string;
  /**
   * Seals a credential and writes its file. The secrets given as bytes are wiped once they are sealed, unless `wipe` is false.
   * CONFLICT if the service has one and `replace` is not set.
   */
  add(service: string, credential: CredentialInput, options?: { replace?: boolean; wipe?: boolean }): Promise<CredentialInfo>;
  /** NOT_FOUND, LOCKED, DECRYPTION_FAILED or INVALID_INPUT, which names the file. */
  get(service: string): Promise<Credential>;
  /** All of them by name. It works while the store is locked, too. */
  list(): Promise<CredentialEntry[]>;
  /** Removes the file; the store may be locked. */
  remove(service: string): Promise<void>;
  toJSON(): { directory: string };

  on<E extends keyof CredentialEvents & string>(event: E, listener: (...args: CredentialEvents[E]) => void): this;
  once<E extends keyof CredentialEvents & string>(event: E, listener: (...args: CredentialEvents[E]) => void): this;
  off<E extends keyof CredentialEvents & string>(event: E, listener: (...args: CredentialEvents[E]) => void): this;
}
