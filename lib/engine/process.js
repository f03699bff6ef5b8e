'use strict';
// The engine in a process of its own: the functions of the addon, carried over the
// stdin and stdout of `alknet engine`. A thread (process-thread.js) holds that process
// and always reads, so that this one can wait for what it wants at once.

const fs = require('node:fs');
const path = require('node:path');
const { MessageChannel, Worker, isMainThread, receiveMessageOnPort } = require('node:worker_threads');
const { now } = require('../core/builtins.js');
const { fromEngine } = require('../core/error.js');

// What is wanted at once takes milliseconds: after so long the process has hung.
const ANSWER_TIMEOUT = 30_000; // ms
// How long a thread that ends waits for the end of its engine, which nobody awaits later.
const FAREWELL_TIMEOUT = 2_000; // ms

const OK = 0, FAILED = 1; // what an answer begins with

/** A fresh copy, which moves to the thread, and is wiped there once it is written. Not on the heap, where small arrays would lie. */
function copyOf(bytes) {
  const copy = new Uint8Array(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

function startThread(workerData, transferList) {
  const start = (started) => new Worker(path.join(__dirname, 'process-thread.js'), { name: 'alknet engine', execArgv: [], workerData: { ...workerData, started }, transferList });
  try {
    process.cwd();
    return start();
  } catch (error) {
    if (error.code !== 'ENOENT' || !fs.existsSync('/proc/self/fd')) throw error;
  }
  // The working folder was removed. Node.js starts no thread there, so this process leaves
  // it until the thread runs, and goes back before anyone can notice.
  const folder = fs.openSync('.');
  try {
    process.chdir('/');
    const started = new Int32Array(new SharedArrayBuffer(4));
    const thread = start(started);
    Atomics.wait(started, 0, 0, ANSWER_TIMEOUT);
    return thread;
  } finally {
    process.chdir(`/proc/self/fd/${folder}`);
    fs.closeSync(folder);
  }
}

/** One process. `onGone` is told once, with an error object, when it ends without being closed. */
class EngineProcess {
  #binary;
  #version;
  #answerTimeout;
  #onGone;
  #port; // commands to the thread, completions from it
  #answers;
  #signal = new Int32Array(new SharedArrayBuffer(4)); // counts what was sent to #answers
  #batch; // the one that has woken us
  #gone; // the error object
  #closed = false;

  /** Without a version any release will do. */
  constructor(binary, onGone, { answerTimeout = ANSWER_TIMEOUT, version } = {}) {
    this.#binary = binary;
    this.#version = version;
    this.#onGone = onGone;
    this.#answerTimeout = answerTimeout;
  }

  open = (onWake) => {
    const events = new MessageChannel();
    const answers = new MessageChannel();
    this.#port = events.port1;
    this.#answers = answers.port1;
    const thread = startThread({ binary: this.#binary, version: this.#version, port: events.port2, answers: answers.port2, signal: this.#signal }, [events.port2, answers.port2]);
    thread.on('error', (error) => this.#end({ code: 'UNAVAILABLE', message: `the thread of the engine's process has failed: ${error.message}`, retryable: false }));
    thread.unref();
    this.#port.on('message', (told) => {
      if (this.#closed) return; // its end, which was wanted
      this.#batch = told;
      onWake();
    });
    this.#port.unref(); // referenced only while work is pending
  };

  ref = (on) => {
    if (on) this.#port.ref();
    else this.#port.unref();
  };

  submit = (text) => {
    if (text !== '') this.#port.postMessage(text);
  };

  poll = () => {
    const told = this.#batch ?? receiveMessageOnPort(this.#port)?.message;
    this.#batch = undefined;
    if (typeof told === 'string') return told;
    if (told !== undefined) this.#end(told);
    return undefined;
  };

  attach = (bytes) => {
    const answer = this.#ask('A', Buffer.alloc(0), bytes);
    return answer[0] === OK ? Number(answer.latin1Slice(1)) : 0;
  };

  secret = (name, handle, options, input, output) => {
    const text = Buffer.from(options);
    const head = Buffer.alloc(8 + 1 + name.length + 4);
    head.writeBigUInt64BE(BigInt(handle));
    head[8] = name.length;
    head.latin1Write(name, 9);
    head.writeUInt32BE(text.length, 9 + name.length);
    const answer = this.#ask('S', Buffer.concat([head, text]), input);
    if (answer[0] !== OK) return answer.utf8Slice(1);
    const length = answer.length - 1;
    if (length <= output.length) output.set(answer.subarray(1));
    answer.fill(0);
    if (length > output.length) throw new Error('the result does not fit');
    return length;
  };

  take = (result, output) => {
    const head = Buffer.alloc(8);
    head.writeBigUInt64BE(BigInt(result));
    const answer = this.#ask('T', head);
    const fits = answer[0] === OK && answer.length - 1 <= output.length;
    if (fits) output.set(answer.subarray(1));
    answer.fill(0);
    if (!fits) throw new Error('there is no such result');
    return answer.length - 1;
  };

  invoke = (name, input) => {
    const answer = this.#ask('I', Buffer.from(`${String.fromCharCode(name.length)}${name}`, 'latin1'), input);
    const text = answer.utf8Slice(1);
    const ok = answer[0] !== FAILED;
    answer.fill(0);
    return [ok, text];
  };

  /** Ends the process. Its stores are wiped; a thread waits for that, the main thread ends later than its engine or is the program's end. */
  close = (wait = true) => {
    if (this.#closed) return;
    this.#closed = true;
    this.#port?.postMessage({ close: true });
    if (!wait || isMainThread || this.#gone) return;
    for (const until = now() + FAREWELL_TIMEOUT; ;) {
      const seen = Atomics.load(this.#signal, 0);
      if (receiveMessageOnPort(this.#answers) || now() >= until) return;
      Atomics.wait(this.#signal, 0, seen, until - now());
    }
  };

  /** Sends a message and blocks until its answer is there. Throws when the process has ended. */
  #ask(kind, head, body) {
    if (this.#gone) throw fromEngine(this.#gone, undefined, new Error());
    const copy = body === undefined ? undefined : copyOf(body);
    this.#port.postMessage({ kind, head, body: copy }, copy === undefined ? [] : [copy.buffer]);
    let until = now() + this.#answerTimeout;
    let killed = false;
    for (;;) {
      const seen = Atomics.load(this.#signal, 0);
      const answer = receiveMessageOnPort(this.#answers)?.message;
      if (answer instanceof Uint8Array) return Buffer.from(answer.buffer);
      if (answer !== undefined) {
        this.#end(answer);
        throw fromEngine(answer, undefined, new Error());
      }
      if (Atomics.wait(this.#signal, 0, seen, Math.max(0, until - now())) === 'timed-out') {
        const message = `the engine's process has not answered for ${this.#answerTimeout / 1000} s, and was ended`;
        if (killed) { // the thread does not answer either
          const gone = { code: 'UNAVAILABLE', message, retryable: true };
          this.#end(gone);
          throw fromEngine(gone, undefined, new Error());
        }
        killed = true;
        this.#port.postMessage({ kill: message });
        until = now() + FAREWELL_TIMEOUT;
      }
    }
  }

  #end(gone) {
    if (this.#gone) return;
    this.#gone = gone;
    if (!this.#closed) this.#onGone(gone);
  }
}

module.exports = { EngineProcess };
