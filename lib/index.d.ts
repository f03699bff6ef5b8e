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
  | 'ABORTED' | 'UNAVAILABLE' | 'RESOURCE_EXHAUSTED' | 'PROTOCOL_ERROR' | 'INTERNAL' | (string & {});

/** A failure of the call protocol, of either side. Handlers throw it to answer with its code. */
export class AlknetError extends Error {
  constructor(code: ErrorCode, message: string, options?: {
    /** Whether the same call may succeed later. Default: by the code. */
    retryable?: boolean;
    /** JSON that travels along, the violations of a schema for example. */
    details?: unknown;
    operation?: string;
    cause?: unknown;
  });
  readonly name: 'AlknetError';
  code: ErrorCode;
  retryable: boolean;
  details?: unknown;
  operation?: string;
}

/** What generateKey makes. */
export interface GeneratedKey {
  /** An OpenSSH private key, to be kept in a file of mode 0600. JavaScript cannot wipe this string. */
  privateKey: string;
  /** A line for authorized_keys. */
  publicKey: string;
  /** The key in the form that addresses carry: base58 of a multicodec. */
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
  scopes: string[];
  resources?: { [type: string]: string[] };
}

export interface KeyOptions {
  /** The path of an OpenSSH private key file, or its contents, which are copied into the engine at once: wipe them after the call. */
  key?: string | Uint8Array;
  /** Of a protected key. Prefer bytes: a string cannot be wiped. */
  passphrase?: string | Uint8Array;
}

export interface ConnectOptions extends KeyOptions {
  /** A token in place of a key, see `alknet token`. */
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
  /** Aborts the attempt to connect. */
  signal?: AbortSignal;
}

export interface ServeOptions extends KeyOptions {
  /** Where to listen; `host:port` is QUIC and TLS on one port. Default 127.0.0.1:4433. */
  listen?: string | string[];
  /** Lines as in authorized_keys, or the path of such a file. Default: nobody. */
  authorizedKeys?: string | string[];
  /** Scopes of keys that have none of their own. */
  defaultScopes?: string[];
  /** Lets callers without an authorized key reach operations without requirements. Default false. */
  allowAnonymous?: boolean;
  /** The node's name, as /node/info tells it. */
  name?: string;
  /** Milliseconds that close() lets calls finish. Default 5,000. */
  drain?: number;
  limits?: {
    /** Bytes of the largest frame. */
    maxFrame?: number;
    /** Requests of a session that run at the same time. */
    maxInFlight?: number;
    /** Bytes that may wait for a caller who does not read. */
    maxQueued?: number;
  };
  /** Aborts the start. */
  signal?: AbortSignal;
}

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

export interface SubscribeOptions extends CallOptions {
  /** Milliseconds without an event, while there is room for one, until it fails with TIMEOUT. */
  idleTimeout?: number;
  /** Events that the other side may be ahead of the reader. Default 256. */
  window?: number;
}

/** The events of a subscription, for one reader. `break` in `for await` stops the producer. */
export class Subscription<T = any> implements AsyncIterableIterator<T> {
  private constructor();
  next(): Promise<IteratorResult<T, undefined>>;
  return(value?: any): Promise<IteratorResult<T, any>>;
  throw(error?: any): Promise<IteratorResult<T, any>>;
  [Symbol.asyncIterator](): this;
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
  readonly transport?: 'quic' | 'tls' | 'tcp' | 'unix';
  readonly remoteAddress?: string;
  /** The other side's endpoint id, where its transport proves one. */
  readonly endpointId: string | null;
  call<T = any>(operation: string, input?: unknown, options?: CallOptions): Promise<T>;
  subscribe<T = any>(operation: string, input?: unknown, options?: SubscribeOptions): Subscription<T>;
  /** Ends the session at once. */
  close(reason?: string): void;
}

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

/** One request, as its handler sees it. */
export interface Context {
  /** The session that it came on, for calling back. */
  readonly session: Session;
  readonly operation: string;
  readonly requestId: string;
  readonly parentRequestId?: string;
  readonly identity: Identity | null;
  readonly metadata: { [key: string]: string };
  /** Milliseconds since 1970 at which the caller stops waiting. */
  readonly deadline?: number;
  /** Aborted when the caller stops waiting, its deadline passes or the session ends. */
  readonly signal: AbortSignal;
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
}

interface ServerEvents extends NodeEvents {
  session: [session: Session];
  sessionClosed: [session: Session, error?: AlknetError];
}

declare abstract class Node<Events extends { [E in keyof Events]: any[] }> extends EventEmitter {
  /** Offers an operation to the other side; resolves when it can be called. Rejects with INVALID_INPUT or CONFLICT. */
  handle<I = any, O = any>(spec: OperationSpec & { type: 'subscription' }, handler: StreamHandler<I, O>): Promise<void>;
  handle<I = any, O = any>(spec: string | (OperationSpec & { type?: 'query' | 'mutation' }), handler: Handler<I, O>): Promise<void>;
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
  readonly transport: 'quic' | 'tls' | 'tcp' | 'unix';
  readonly address: string;
  call<T = any>(operation: string, input?: unknown, options?: CallOptions): Promise<T>;
  subscribe<T = any>(operation: string, input?: unknown, options?: SubscribeOptions): Subscription<T>;
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
  readonly addresses: string[];
  readonly endpointId: string;
  readonly fingerprint: string;
  /** The sessions that are open now. */
  readonly sessions: Session[];
}

/** Connects to a head. Rejects with AlknetError: UNAUTHENTICATED, UNAVAILABLE, TIMEOUT, INVALID_INPUT or PROTOCOL_ERROR. */
export function connect(address: string, options?: ConnectOptions): Promise<Connection>;

/** Starts a node that listens. Without a key it makes one that lives as long as the server. */
export function serve(options?: ServeOptions): Promise<Server>;
