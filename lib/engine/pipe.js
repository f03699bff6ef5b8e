'use strict';
// The message pipe to the engine: commands go out in one batch a turn, completions
// come in as one JSON array a batch. docs/ABI.md lists both.

const { AsyncResource } = require('node:async_hooks');
const { parse, stringify, nextTick, setImmediate, setTimeout } = require('../core/builtins.js');
const { AscendingMap } = require('../core/ascending-map.js');
const { fromEngine } = require('../core/error.js');
const { shared } = require('../core/shared.js');
const { kAudit, kClosed, kDisconnected, kFailed, kLeft, kLog, kLost, kOpened, kReconnected, kRequest, kSessionClosed, kSessionOpened, kWarning } = require('../core/symbols.js');

const KIND = {
  opened: 1, failed: 2, responded: 3, event: 4, completed: 5, error: 6, request: 7, cancelled: 8, credit: 9,
  disconnected: 10, reconnected: 11, closed: 12, sessionOpened: 13, sessionClosed: 14, log: 15, settled: 16,
  audit: 17, warning: 18, left: 19,
};

// A batch of commands leaves before the end of the turn when it has so many UTF-16
// units: a string cannot grow for ever.
const MAX_BATCH = 1 << 24;

// A turn of the event loop takes so many bytes of completions, or one that is larger,
// before others get theirs: timers, other sockets, and what the completions have led to.
const MAX_TURN = 64 * 1024;

// How long an engine in a process runs on when no node and no secret of it is left.
const REST_AFTER = 500; // ms

// What is told of a store whose engine has ended.
const LOCKED = { code: 'LOCKED', message: "the store was locked when the engine's process ended: unlock it again", retryable: false };

// What is told of what disposed stores and closed nodes had when their engine has ended
// after them, as it would tell itself.
const CLOSED = { code: 'CLOSED', message: 'the store is closed', retryable: false };
const ENDED = { code: 'UNAVAILABLE', message: 'the session has ended', retryable: true };

// The engine wakes JavaScript up in the async context of opening it. That must not be the
// one of whoever uses the package first: its store would live as long as the engine.
const neutral = new AsyncResource('ALKNET');

/**
 * One engine, as the nodes and stores that were made with it see it. `kind` is 'addon' or
 * 'process', `carry(onGone)` gives what carries the messages: the exports of the addon, or
 * the same over a process, which calls onGone with an error object if it ends by itself.
 */
class Engine {
  #native;
  #open = false;
  #lost; // the error object of an engine that has ended, by itself or because nothing was left that it was for
  #text = '';
  #scheduled = false;
  #nextNode = 0;
  #nextRequest = 0;
  #nextSecret = 0; // of stores, keys and identities
  #pins = 0; // reasons to keep the process alive
  #held = new Set(); // of stores, keys and identities that the engine has
  #heldStores = 0;
  #used = false; // since the timer looked last
  #timer; // of #rest
  #end = () => this.#native.close();

  // It belongs to the engine, not to the module: that may be gone before its objects are.
  #dropped = new FinalizationRegistry((held) => {
    if (this.#letGo(held)) held.release();
  });

  observing = false; // stores have listeners for what happens in them
  polling = false; // at the end of this turn

  nodes = new Map(); // number -> object with the on… methods of a node
  requests = new AscendingMap(); // number -> { responded, event, completed, failed }
  incoming = new AscendingMap(); // number -> { cancelled, credit }
  sessions = new Map(); // number -> node number, of a server's sessions
  peers = new Map(); // number -> what is known of the peer, of sessions that this side has dialled
  stores = new Map(); // number -> WeakRef of a store of secrets

  constructor(kind, carry) {
    this.kind = kind;
    this.#native = carry((error) => this.#lose(error));
  }

  /** Whether it has ended. Everything of it is UNAVAILABLE then, for good. */
  get lost() { return this.#lost !== undefined; }

  #flush = () => {
    this.#scheduled = false;
    const batch = this.#text;
    this.#text = '';
    if (!this.#lost) this.#native.submit(batch);
  };

  /** Hands over the commands of this turn now. */
  flush() { this.#flush(); }

  /** Opens the engine, the first time. */
  start() {
    if (this.#open || this.#lost) return;
    neutral.runInAsyncScope(this.#native.open, undefined, this.#onWake);
    this.#open = true;
    // Node.js runs no clean-up of addons at process.exit(): the other nodes are told here.
    shared().ends.add(this.#end);
    this.#rest();
  }

  /**
   * Calls `release` when nothing can reach `object` any more, unless drop() was called with
   * what this returns. A store keeps the engine meanwhile; its keys keep the store.
   */
  hold(object, release, isStore = false) {
    const held = { release, isStore };
    this.#held.add(held);
    if (isStore) this.#heldStores++;
    this.#dropped.register(object, held, held);
    return held;
  }

  drop(held) {
    if (this.#letGo(held)) this.#dropped.unregister(held);
  }

  #letGo(held) {
    if (!this.#held.delete(held)) return false;
    if (held.isStore) this.#heldStores--;
    this.#rest();
    return true;
  }

  get #wanted() { return this.#heldStores > 0 || this.nodes.size > 0 || this.#pins > 0; }

  // An engine in a process ends with the last that it is for; the next use makes another
  // one. A copy of this package that a test runner has forgotten leaves nothing. It is not
  // started again itself: its sessions' numbers would come to mean others.
  #rest() {
    this.#used = true;
    if (this.kind !== 'process' || this.#timer !== undefined || this.#wanted) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#open || this.#lost || this.#wanted) return;
      if (this.#used || this.#scheduled || this.requests.size > 0 || this.incoming.size > 0) {
        this.#rest();
        this.#used = false;
        return;
      }
      this.#lost = ENDED;
      shared().ends.delete(this.#end);
      this.#held.clear(); // keys of stores that were disposed of
      this.#native.close(false);
    }, REST_AFTER);
    this.#timer.unref();
  }

  /** Adds a command; it leaves at the end of this turn, with all others of it. */
  send(command) {
    this.start();
    if (this.#text.length + command.length > MAX_BATCH) this.#flush();
    this.#text += command;
    if (!this.#scheduled) {
      this.#scheduled = true;
      nextTick(this.#flush);
    }
  }

  // The engine has ended: what it had is no more. Told in a turn of its own, for it may
  // be noticed in the middle of anything.
  #lose(error) {
    this.#lost = error;
    shared().ends.delete(this.#end);
    setImmediate(() => {
      for (let batch; (batch = this.#native.poll()) !== undefined;) this.#dispatch(parse(batch));
      const ends = [];
      for (const [number, node] of this.sessions) ends.push(() => this.nodes.get(node)?.[kSessionClosed](number, { error }));
      for (const request of this.requests.values()) ends.push(() => request.failed(error));
      for (const request of this.incoming.values()) ends.push(() => request.cancelled(error));
      for (const node of this.nodes.values()) ends.push(() => node[kClosed](error));
      for (const store of this.stores.values()) ends.push(() => store.deref()?.[kLost]());
      for (const end of ends) guarded(end);
      for (const table of [this.sessions, this.peers, this.requests, this.incoming, this.nodes, this.stores]) table.clear();
      this.#held.clear();
      this.#heldStores = 0;
      this.#native.close();
    });
  }

  #onWake = () => {
    for (let taken = 0; taken < MAX_TURN;) {
      const batch = this.#native.poll();
      if (batch === undefined) return;
      taken += batch.length;
      this.#dispatch(parse(batch));
    }
    setImmediate(this.#onWake);
  };

  /** Delivers what waits now, without being woken. */
  poll() { this.#onWake(); }

  #dispatch(batch) {
    for (let i = 0; i < batch.length; i += 3) {
      try {
        this.#deliver(batch[i], batch[i + 1], batch[i + 2]);
      } catch (error) {
        // What a listener of the application throws is the application's; the rest of
        // the batch must still be delivered.
        nextTick(() => { throw error; });
      }
    }
  }

  #deliver(kind, handle, payload) {
    const { nodes, requests, incoming, sessions, peers, stores } = this;
    switch (kind) {
      case KIND.responded: return take(requests, handle)?.responded(payload?.output ?? null);
      case KIND.event: return requests.get(handle)?.event(payload?.output ?? null);
      case KIND.completed: return take(requests, handle)?.completed();
      case KIND.error: return take(requests, handle)?.failed(payload);
      case KIND.request: return nodes.get(payload[0])?.[kRequest](handle, payload);
      case KIND.cancelled: return take(incoming, handle)?.cancelled(payload);
      case KIND.credit: return incoming.get(handle)?.credit(payload);
      case KIND.settled: return void incoming.delete(handle);
      case KIND.opened: return nodes.get(handle)?.[kOpened](payload);
      case KIND.failed: return this.#removeNode(handle)?.[kFailed](payload);
      case KIND.disconnected: return nodes.get(handle)?.[kDisconnected](payload);
      case KIND.reconnected: return nodes.get(handle)?.[kReconnected](payload);
      case KIND.closed: return this.#removeNode(handle)?.[kClosed](payload);
      case KIND.left: return nodes.get(handle)?.[kLeft](payload);
      case KIND.sessionOpened:
        if (payload.node === 0) return void peers.set(handle, payload);
        sessions.set(handle, payload.node);
        return nodes.get(payload.node)?.[kSessionOpened](handle, payload);
      case KIND.sessionClosed:
        sessions.delete(handle);
        peers.delete(handle);
        return nodes.get(payload.node)?.[kSessionClosed](handle, payload);
      case KIND.audit: return stores.get(handle)?.deref()?.[kAudit](payload);
      case KIND.warning: return stores.get(handle)?.deref()?.[kWarning](payload);
      case KIND.log:
        for (const node of nodes.values()) node[kLog](payload);
    }
  }

  /** Enters a node and returns its number. */
  addNode(node) {
    this.nodes.set(++this.#nextNode, node);
    return this.#nextNode;
  }

  #removeNode(number) {
    const node = take(this.nodes, number);
    this.#rest();
    return node;
  }

  /** Enters an outgoing request, which keeps the process alive, and returns its number. */
  addRequest(request) {
    const number = ++this.#nextRequest;
    this.requests.set(number, request);
    if (this.#lost) nextTick(() => take(this.requests, number)?.failed(this.#lost));
    return number;
  }

  /** A number for a store, a key or an identity. */
  secretNumber() { return ++this.#nextSecret; }

  /** Keeps the process alive until unpin. */
  pin() {
    if (++this.#pins === 1) {
      this.send('');
      if (!this.#lost) this.#native.ref(true);
    }
  }

  unpin() {
    if (--this.#pins === 0 && !this.#lost) {
      this.#native.ref(false);
      if (this.kind === 'process') this.#rest();
    }
  }

  /** Copies bytes into the engine; the command that names the number consumes them. */
  attach(bytes) {
    this.send('');
    let number = this.#native.attach(bytes);
    if (number <= 0) {
      this.#flush(); // those that wait are taken by the commands of this turn
      number = this.#native.attach(bytes);
    }
    if (number <= 0) throw new Error('the engine takes no more keys: too many were given that no command has used');
    return number;
  }

  /** Carries out a short operation at once. */
  invoke(name, input) {
    this.start();
    this.#used = true;
    const [ok, answer] = this.#native.invoke(name, typeof input === 'string' ? Buffer.from(input) : input);
    const value = parse(answer);
    if (!ok) throw fromEngine(value, undefined, new Error());
    return value;
  }

  /** Carries out a short operation on secrets: how many bytes of output it wrote, or the error object as text. */
  secret(name, handle, options, input, output) {
    if (this.#lost) return stringify(this.whySecretsAreGone);
    this.start();
    this.#used = true;
    return this.#native.secret(name, handle, options, input, output);
  }

  /** The error object for what had a secret of an engine that has ended. */
  get whySecretsAreGone() { return this.#lost === ENDED ? CLOSED : LOCKED; }

  /** Moves a result of the engine to output. */
  take(result, output) { return this.#native.take(result, output); }
}

function guarded(tell) {
  try {
    tell();
  } catch (error) {
    nextTick(() => { throw error; });
  }
}

function take(map, handle) {
  const entry = map.get(handle);
  if (entry !== undefined) map.delete(handle);
  return entry;
}

module.exports = { Engine };
