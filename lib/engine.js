'use strict';
// The message pipe to the engine: commands go out in one batch a turn, completions
// come in as one JSON array a batch. docs/ABI.md lists both.

const native = require('./native.js');
const { AscendingMap } = require('./ascending-map.js');

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

let open = false;
let text = '';
let scheduled = false;
let nextNode = 0;
let nextRequest = 0;
let nextSecret = 0; // of stores, keys and identities
let pins = 0; // reasons to keep the process alive

const nodes = new Map(); // number -> object with the on… methods of a node
const requests = new AscendingMap(); // number -> { responded, event, completed, failed }
const incoming = new AscendingMap(); // number -> { cancelled, credit }
const sessions = new Map(); // number -> node number
const stores = new Map(); // number -> WeakRef of a store of secrets

function flush() {
  scheduled = false;
  const batch = text;
  text = '';
  native.submit(batch);
}

/** Opens the engine, the first time. */
function start() {
  if (open) return;
  native.open(onWake);
  open = true;
  // Node.js runs no clean-up of addons at process.exit(): the other nodes are told here.
  process.on('exit', native.close);
}

/** Adds a command; it leaves at the end of this turn, with all others of it. */
function send(command) {
  start();
  if (text.length + command.length > MAX_BATCH) flush();
  text += command;
  if (!scheduled) {
    scheduled = true;
    process.nextTick(flush);
  }
}

function onWake() {
  for (let taken = 0; taken < MAX_TURN;) {
    const batch = native.poll();
    if (batch === undefined) return;
    taken += batch.length;
    dispatch(JSON.parse(batch));
  }
  setImmediate(onWake);
}

function dispatch(batch) {
  for (let i = 0; i < batch.length; i += 3) {
    try {
      deliver(batch[i], batch[i + 1], batch[i + 2]);
    } catch (error) {
      // What a listener of the application throws is the application's; the rest of
      // the batch must still be delivered.
      process.nextTick(() => { throw error; });
    }
  }
}

function deliver(kind, handle, payload) {
  switch (kind) {
    case KIND.responded: return take(requests, handle)?.responded(payload?.output ?? null);
    case KIND.event: return requests.get(handle)?.event(payload?.output ?? null);
    case KIND.completed: return take(requests, handle)?.completed();
    case KIND.error: return take(requests, handle)?.failed(payload);
    case KIND.request: return nodes.get(payload[0])?.onRequest(handle, payload);
    case KIND.cancelled: return take(incoming, handle)?.cancelled(payload);
    case KIND.credit: return incoming.get(handle)?.credit(payload);
    case KIND.settled: return void incoming.delete(handle);
    case KIND.opened: return nodes.get(handle)?.onOpened(payload);
    case KIND.failed: return take(nodes, handle)?.onFailed(payload);
    case KIND.disconnected: return nodes.get(handle)?.onDisconnected(payload);
    case KIND.reconnected: return nodes.get(handle)?.onReconnected(payload);
    case KIND.closed: return take(nodes, handle)?.onClosed(payload);
    case KIND.left: return nodes.get(handle)?.onLeft(payload);
    case KIND.sessionOpened:
      sessions.set(handle, payload.node);
      return nodes.get(payload.node)?.onSession(handle, payload);
    case KIND.sessionClosed:
      sessions.delete(handle);
      return nodes.get(payload.node)?.onSessionClosed(handle, payload);
    case KIND.audit: return stores.get(handle)?.deref()?.onAudit(payload);
    case KIND.warning: return stores.get(handle)?.deref()?.onWarning(payload);
    case KIND.log:
      for (const node of nodes.values()) node.onLog(payload);
  }
}

function take(map, handle) {
  const entry = map.get(handle);
  if (entry !== undefined) map.delete(handle);
  return entry;
}

/** Enters a node and returns its number. */
function addNode(node) {
  nodes.set(++nextNode, node);
  return nextNode;
}

/** Enters an outgoing request, which keeps the process alive, and returns its number. */
function addRequest(request) {
  requests.set(++nextRequest, request);
  return nextRequest;
}

/** A number for a store, a key or an identity. */
function secretNumber() { return ++nextSecret; }

/** Keeps the process alive until unpin. */
function pin() {
  if (++pins === 1) {
    send('');
    native.ref(true);
  }
}

function unpin() {
  if (--pins === 0) native.ref(false);
}

/** Copies bytes into the engine; the command that names the number consumes them. */
function attach(bytes) {
  send('');
  let number = native.attach(bytes);
  if (number <= 0) {
    flush(); // those that wait are taken by the commands of this turn
    number = native.attach(bytes);
  }
  if (number <= 0) throw new Error('the engine takes no more keys: too many were given that no command has used');
  return number;
}

/** Carries out a short operation at once. */
function invoke(name, input) {
  const [ok, answer] = native.invoke(name, typeof input === 'string' ? Buffer.from(input) : input);
  const value = JSON.parse(answer);
  if (!ok) {
    const { fromEngine } = require('./error.js');
    throw fromEngine(value, undefined, new Error());
  }
  return value;
}

// The addon is one per thread, this module may be there again: a test runner that
// resets modules, two installed copies that find one addon. They share its pipe.
native.engine ??= {
  start, send, flush, poll: onWake, addNode, addRequest, secretNumber, pin, unpin, attach, invoke, incoming, nodes, requests, sessions, stores,
};
module.exports = native.engine;
