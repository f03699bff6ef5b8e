'use strict';
// The thread that holds the engine's process: it writes the messages of the thread that
// has started it, and hands on what comes back. docs/ABI.md has the frames.

const { spawn } = require('node:child_process');
const net = require('node:net');
const { workerData } = require('node:worker_threads');

const { binary, version: wanted, port, answers, signal, started } = workerData;

const ABI_VERSION = 5; // of binding/alknet.h, which a test compares
const MAGIC = 'alknet engine';
const HEADER = 5; // bytes: the length of the body, and the type
const READ_BUFFER = 64 * 1024;
const MAX_TEXT = 0x1fffffe8; // bytes of completions: no string is longer
const MAX_ANSWER = 64 * 1024 * 1024; // bytes; the largest is what a store has opened
const MAX_STDERR = 4096; // bytes that are kept of it
const [HELLO, COMPLETIONS, ANSWER] = Buffer.from('HCR');

// What a service manager tells the application: to whom it reports, and which sockets are its.
// CREDENTIALS_DIRECTORY stays, by which the engine knows the manager's files.
const MANAGERS = /^(NOTIFY_SOCKET|MAINPID|MANAGERPID|MANAGERPIDFDID|SYSTEMD_EXEC_PID|FDSTORE|PIDFILE|(WATCHDOG|LISTEN|MEMORY_PRESSURE)_.*)$/;

let child;
let greeted = false;
let closing = false;
let told = false;
let failure; // why the process was ended from here
let exit; // how it ended
let stdoutEnded = false;
let stderr = '';

/** Tells, once, that there is no process any more, and why. */
function tellGone(message, retryable) {
  if (told) return;
  told = true;
  const gone = { code: 'UNAVAILABLE', message, retryable };
  if (stderr !== '') gone.cause = stderr;
  port.postMessage(gone);
  answers.postMessage(gone);
  Atomics.add(signal, 0, 1);
  Atomics.notify(signal, 0);
  port.close();
  answers.close();
}

/** Ends a process that cannot be used. */
function fail(message) {
  failure ??= message;
  child.kill('SIGKILL');
}

// Both its end and the last that it has written must have come.
function maybeGone() {
  if (exit === undefined || !stdoutEnded) return;
  if (failure !== undefined) return tellGone(failure, greeted);
  const how = exit.signal ? `was ended by ${exit.signal}` : `has ended with exit code ${exit.code}`;
  const [line] = stderr.trim().split('\n');
  const words = line === '' ? '' : `: ${line.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)}`;
  if (greeted) tellGone(`the engine's process ${how}${words}`, true);
  else tellGone(`the engine ${binary} ${how} before it could be used${words}`, false);
}

function frame(kind, size) {
  const bytes = Buffer.allocUnsafe(HEADER + size);
  bytes.writeUInt32BE(size);
  bytes.latin1Write(kind, 4);
  return bytes;
}

/** Writes a frame whose body is a text. */
function writeText(kind, text) {
  const bytes = frame(kind, Buffer.byteLength(text));
  bytes.utf8Write(text, HEADER);
  child.stdin.write(bytes);
}

/** Writes a frame whose body is a head and bytes that may be secret, which are wiped. */
function writeSecret({ kind, head, body }) {
  const { stdin } = child;
  stdin.cork();
  const start = frame(kind, head.length + (body?.length ?? 0)).subarray(0, HEADER);
  stdin.write(Buffer.concat([start, head]));
  if (body?.length > 0) stdin.write(body, () => body.fill(0)); // not copied: the system reads it where it lies
  stdin.uncork();
}

function greet() {
  const bytes = frame('H', MAGIC.length + 4);
  bytes.latin1Write(MAGIC, HEADER);
  bytes.writeUInt32BE(ABI_VERSION, HEADER + MAGIC.length);
  child.stdin.write(bytes);
}

function onHello(body) {
  const at = MAGIC.length;
  if (body.length < at + 4 || body.latin1Slice(0, at) !== MAGIC) return fail(`${binary} is no engine of alknet`);
  const version = body.readUInt32BE(at);
  const release = body.toString('latin1', at + 4, at + 68).replace(/[^\x21-\x7e]/g, '?');
  if (wanted !== undefined && release !== wanted) {
    return fail(`the engine ${binary} is of alknet ${release} and this package of alknet ${wanted}: use those of one release`);
  }
  if (version !== ABI_VERSION) {
    return fail(`the engine ${binary}, of alknet ${release}, speaks version ${version} of the messages, and this package version ${ABI_VERSION}: use those of one release`);
  }
  greeted = true;
}

const header = Buffer.alloc(HEADER);
let have = 0; // bytes of header
let body; // of a frame that has come in part
let filled = 0;
let texts = [];

/** Takes what was read; nothing of it stays in chunk. */
function onRead(chunk) {
  let secret = false;
  for (let at = 0; at < chunk.length && failure === undefined;) {
    if (body === undefined) {
      const n = chunk.copy(header, have, at, at + HEADER - have);
      have += n;
      at += n;
      if (have < HEADER) break;
      const size = header.readUInt32BE();
      const kind = header[4];
      if (!greeted && kind !== HELLO) return fail(`${binary} is no engine of alknet`);
      if (kind !== HELLO && kind !== COMPLETIONS && kind !== ANSWER || size > (kind === COMPLETIONS ? MAX_TEXT : MAX_ANSWER)) return fail('the engine has sent what is no message');
      if (kind === COMPLETIONS && size <= chunk.length - at) { // most of them
        texts.push(chunk.utf8Slice(at, at + size));
        at += size;
        have = 0;
        continue;
      }
      body = Buffer.from(new ArrayBuffer(size));
      filled = 0;
    }
    if (header[4] === ANSWER) secret = true;
    const n = chunk.copy(body, filled, at, at + body.length - filled);
    filled += n;
    at += n;
    if (filled < body.length) break;
    const whole = body;
    body = undefined;
    have = 0;
    if (header[4] === HELLO) onHello(whole);
    else if (header[4] === COMPLETIONS) texts.push(whole.utf8Slice());
    else {
      flush();
      answers.postMessage(new Uint8Array(whole.buffer), [whole.buffer]);
      Atomics.add(signal, 0, 1);
      Atomics.notify(signal, 0);
    }
  }
  if (secret) chunk.fill(0);
  flush();
}

/** Hands on the completions that came together as one batch. */
function flush() {
  if (texts.length === 0) return;
  port.postMessage(texts.length === 1 ? texts[0] : `[${texts.map((text) => text.slice(1, -1)).join(',')}]`);
  texts = [];
}

/** Reads stdout into one buffer, which is wiped; streams of Node.js leave copies in memory that was freed. */
function readStdout() {
  const { _handle: handle } = child.stdout;
  if (typeof handle?.useUserBuffer !== 'function') {
    child.stdout.on('data', (chunk) => { onRead(chunk); chunk.fill(0); });
    return child.stdout;
  }
  const buffer = Buffer.alloc(READ_BUFFER);
  return new net.Socket({ handle, readable: true, writable: false, onread: { buffer, callback: (n) => { onRead(buffer.subarray(0, n)); return true; } } });
}

function start() {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !MANAGERS.test(name)));
  child = spawn(binary, ['engine'], { env, stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
  child.on('error', (error) => {
    if (child.pid === undefined) tellGone(`the engine ${binary} could not be started: ${error.message}`, false);
  });
  if (child.pid === undefined) return;
  child.on('exit', (code, name) => {
    exit = { code, signal: name };
    maybeGone();
  });
  const stdout = readStdout();
  stdout.on('error', () => {});
  stdout.on('close', () => {
    stdoutEnded = true;
    if (exit === undefined && !closing) child.kill('SIGKILL'); // it can tell nothing any more
    maybeGone();
  });
  child.stdin.on('error', () => {}); // its end is told by its exit
  child.stderr.setEncoding('latin1').on('error', () => {}).on('data', (text) => {
    if (stderr.length < MAX_STDERR) stderr = (stderr + text).slice(0, MAX_STDERR);
  });
  greet();
}

function close() {
  closing = true;
  child.stdin?.end();
}

port.on('message', (message) => {
  if (typeof message === 'string') writeText('B', message);
  else if (message.close) close();
  else if (message.kill) fail(message.kill);
  else writeSecret(message);
});
// The thread at the other end has ended, or has let go of it.
port.on('close', close);

process.on('uncaughtException', (error) => {
  child?.kill('SIGKILL');
  tellGone(`the thread of the engine's process has failed: ${error.message}`, false);
});

start();
if (started !== undefined) {
  Atomics.store(started, 0, 1);
  Atomics.notify(started, 0);
}
