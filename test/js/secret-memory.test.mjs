// What of a store can be found in the memory of its process. The secrets are computed
// here, by other libraries, and looked for in core images and heap snapshots of another
// process. A canary, and the same search in the locked pages themselves, prove that what
// is there would be found.
import assert from 'node:assert/strict';
import { execFile, fork, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { HDKey as Bip32 } from '@scure/bip32';
import { generateMnemonic, mnemonicToEntropy, mnemonicToSeedWebcrypto } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { HDKey as Slip10 } from 'micro-key-producer/slip10.js';
import { engine, enginesOf } from './fixtures/engine-process.mjs';
import { unlocked, utf8 } from './fixtures/secrets.mjs';

const PATHS = { ed25519: "m/74'/0'/0'/0'", secp256k1: "m/44'/60'/0'/0/0", 'aes-256-gcm': "m/74'/2'/0'/0'" };
const WINDOW = 16; // bytes of a secret whose finding counts

/** Overlapping parts of a secret, as they may lie in memory. */
function parts(name, bytes, found = new Map()) {
  const data = Buffer.from(bytes);
  const put = (what, part) => found.set(Buffer.from(part).toString('latin1'), `${name} (${what})`);
  for (let at = 0; at + WINDOW <= data.length; at += WINDOW / 2) put(`bytes from ${at}`, data.subarray(at, at + WINDOW));
  for (const encoding of ['hex', 'base64']) {
    const text = data.toString(encoding).slice(0, 24);
    put(encoding, text);
    put(`${encoding}, UTF-16`, Buffer.from(text, 'utf16le'));
  }
  return found;
}

function textParts(name, text, found = new Map()) {
  found.set(Buffer.from(text).toString('latin1'), `${name} (UTF-8)`);
  found.set(Buffer.from(text, 'utf16le').toString('latin1'), `${name} (UTF-16)`);
  return found;
}

async function secretsOf(phrase, passphrase, plaintext, credential) {
  const seed = await mnemonicToSeedWebcrypto(phrase, passphrase);
  const found = new Map();
  const words = phrase.split(' ');
  // Any three words in sequence.
  for (let n = 0; n + 3 <= words.length; n++) textParts(`words ${n + 1} to ${n + 3}`, words.slice(n, n + 3).join(' '), found);
  parts('the entropy', mnemonicToEntropy(phrase, wordlist), found);
  parts('the word numbers', Buffer.from(new Uint16Array(words.map((w) => wordlist.indexOf(w))).buffer), found);
  parts('the seed', seed, found);
  textParts('the passphrase', passphrase, found);
  textParts('the plaintext', plaintext, found);
  textParts('the credential', credential, found);
  const keys = new Map();
  for (const type of ['ed25519', 'aes-256-gcm']) {
    const { privateKey } = Slip10.fromMasterSeed(seed).derive(PATHS[type], true);
    parts(`the ${type} key`, privateKey, keys);
    if (type === 'ed25519') parts('the expanded ed25519 key', createHash('sha512').update(privateKey).digest().subarray(32), keys); // RFC 8032: prefix
  }
  const { privateKey } = Bip32.fromMasterSeed(seed).derive(PATHS.secp256k1);
  parts('the secp256k1 key', privateKey, keys);
  parts('the secp256k1 key, little-endian', Buffer.from(privateKey).reverse(), keys);
  return { found: new Map([...found, ...keys]), keys };
}

/**
 * The memory of a process as a core file of the kernel holds it, piece by piece; with
 * all, also what is marked to be left out of core files. It stands still meanwhile: a
 * mapping that its collector gives back could not be read.
 */
function* memoryOf(pid, { all }) {
  const fd = openSync(`/proc/${pid}/mem`);
  globalThis.process.kill(pid, 'SIGSTOP');
  try {
    while (!/^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'latin1')));
    for (const mapping of readFileSync(`/proc/${pid}/smaps`, 'latin1').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
      const [, from, to, readable, name] = /^([0-9a-f]+)-([0-9a-f]+) (.)\S+ +\S+ +\S+ +\S+ *(.*)/.exec(mapping);
      const leftOut = / dd( |$)/m.test(/^VmFlags:.*/m.exec(mapping)[0]);
      if (readable !== 'r' || name.startsWith('[v') || (leftOut && !all)) continue;
      for (let at = Number.parseInt(from, 16), end = Number.parseInt(to, 16); at < end;) {
        const piece = Buffer.alloc(Math.min(end - at, 1 << 20));
        const read = readSync(fd, piece, 0, piece.length, at);
        if (read === 0) break;
        yield piece.subarray(0, read);
        at += read;
      }
    }
  } finally {
    globalThis.process.kill(pid, 'SIGCONT');
    closeSync(fd);
  }
}

function* pieces(file) {
  const fd = openSync(file);
  try {
    for (;;) {
      const piece = Buffer.alloc(64 << 10);
      const read = readSync(fd, piece);
      if (read === 0) return;
      yield piece.subarray(0, read);
    }
  } finally {
    closeSync(fd);
  }
}

/** Which of the patterns are in bytes that come in pieces. */
function scan(source, patterns) {
  const byStart = new Map(); // the first two bytes -> patterns that begin so
  const starts = new Uint8Array(1 << 16);
  let longest = 0;
  for (const [text, name] of patterns) {
    const needle = Buffer.from(text, 'latin1');
    const start = needle.readUInt16LE();
    starts[start] = 1;
    byStart.set(start, [...(byStart.get(start) ?? []), { needle, name }]);
    longest = Math.max(longest, needle.length);
  }
  const hits = new Set();
  const look = (data) => {
    let start = data[0] << 8;
    for (let at = 1; at < data.length; at++) {
      start = (start >> 8) | (data[at] << 8);
      if (starts[start] === 0) continue;
      for (const { needle, name } of byStart.get(start)) if (needle.equals(data.subarray(at - 1, at - 1 + needle.length))) hits.add(name);
    }
  };
  // Core images are mostly holes: what is zero is skipped, all but its first bytes,
  // where a pattern may end.
  const zeros = Buffer.alloc(1 << 20);
  let tail = Buffer.alloc(0);
  for (const piece of source) {
    const empty = piece.equals(zeros.subarray(0, piece.length));
    look(Buffer.concat([tail, empty ? piece.subarray(0, longest) : piece]));
    tail = piece.subarray(-longest);
  }
  return [...hits];
}

const folder = () => mkdtempSync(path.join(os.tmpdir(), 'alknet-memory-'));

function child(argument, options) {
  const process_ = fork(new URL('./fixtures/secret-memory.mjs', import.meta.url), [JSON.stringify(argument)], options);
  const answer = async () => {
    const [told] = await Promise.race([once(process_, 'message'), once(process_, 'exit').then(([code]) => [{ failed: 'exit', error: `the child ended with ${code}` }])]);
    assert.equal(told.failed, undefined, told.error);
    return told.result;
  };
  return { pid: process_.pid, started: answer(), step(name) { process_.send(name); return answer(); }, end() { process_.kill('SIGKILL'); } };
}

async function begin(t) {
  const dir = folder();
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const phrase = generateMnemonic(wordlist, 128);
  const passphrase = `correct ${randomBytes(8).toString('hex')}`;
  const plaintext = `an API key ${randomBytes(16).toString('hex')}`;
  const credential = `a token ${randomBytes(16).toString('hex')}`;
  const canary = randomBytes(16).toString('hex');
  const store = await unlocked(phrase, passphrase);
  const sealed = await store.encrypt(utf8(plaintext));
  store.dispose();
  const file = (name, content) => {
    writeFileSync(path.join(dir, name), content, { mode: 0o600 });
    return path.join(dir, name);
  };
  const process_ = child({ phraseFile: file('phrase', phrase), passphraseFile: file('passphrase', passphrase), credentialFile: file('credential', credential), sealed, canary, paths: PATHS }, { cwd: dir });
  t.after(() => process_.end());
  await process_.started;
  const reversed = [...canary].reverse().join('');
  const canaries = new Map();
  for (const what of ['bytes', 'heap', 'object']) canaries.set(`${reversed} ${what}`, what);
  canaries.set(Buffer.from(`${reversed} wide`, 'utf16le').toString('latin1'), 'wide');
  return { ...(await secretsOf(phrase, passphrase, plaintext, credential)), canaries, dir, process: process_ };
}

test('while a store is unlocked and its keys are used, a heap snapshot holds no secret', { timeout: 120_000 }, async (t) => {
  const { found, canaries, dir, process } = await begin(t);
  await process.step('unlock');
  await process.step('handles');
  const file = path.join(dir, await process.step('snapshot'));
  // Snapshots escape what is not ASCII, and hold no bytes of buffers.
  canaries.delete([...canaries.keys()].find((key) => canaries.get(key) === 'bytes'));
  canaries.delete([...canaries.keys()].find((key) => canaries.get(key) === 'wide'));
  assert.deepEqual(scan(pieces(file), canaries).sort(), ['heap', 'object'], 'the search is blind');
  assert.deepEqual(scan(pieces(file), found), []);
});

test('a core image holds no secret: as the kernel would write it while unlocked, and of all memory when locked', { timeout: 300_000 }, async (t) => {
  if (spawnSync('gcore', ['-h']).error) {
    assert.notEqual(globalThis.process.env.CI, 'true', 'gcore is missing: install gdb');
    t.skip('gcore, which gdb brings, is not installed');
    return;
  }
  const { found, keys, canaries, dir, process } = await begin(t);
  const look = (source, patterns) => {
    assert.deepEqual(scan(source(), canaries).sort(), ['bytes', 'heap', 'object', 'wide'], 'the search is blind');
    return scan(source(), patterns);
  };
  await process.step('unlock');
  const apart = engine === 'process' ? enginesOf(process.pid)[0] : undefined;
  // A signal's handler is handed all registers, on a stack that stays.
  const signals = setInterval(() => { for (let n = 0; n < 100; n++) globalThis.process.kill(apart ?? process.pid, 'SIGURG'); }, 0);
  await process.step('handles');
  await process.step('open').finally(() => clearInterval(signals));
  assert.deepEqual(look(() => memoryOf(process.pid, { all: false }), found), [], 'while unlocked');

  // An engine in a process of its own has everything: here is nothing, wherever one looks.
  if (engine === 'process') {
    assert.deepEqual(look(() => memoryOf(process.pid, { all: true }), found), [], 'in the process of the application, while unlocked');
    assert.deepEqual(scan(memoryOf(apart, { all: false }), found), [], 'in the process of the engine, while unlocked');
  }

  // With what is left out of core files: there the keys must be, or the search is blind.
  const seen = apart === undefined ? look(() => memoryOf(process.pid, { all: true }), keys) : scan(memoryOf(apart, { all: true }), keys);
  for (const name of ['the ed25519 key', 'the aes-256-gcm key', 'the secp256k1 key']) assert.ok(seen.some((s) => s.startsWith(name)), `${name} was not found in the store's own memory`);

  await process.step('lock');
  assert.deepEqual(look(() => memoryOf(process.pid, { all: true }), found), [], 'after the lock');
  if (apart !== undefined) assert.deepEqual(scan(memoryOf(apart, { all: true }), found), [], 'in the process of the engine, after the lock');
  // -a: of those mappings too.
  await promisify(execFile)('gcore', ['-a', '-o', path.join(dir, 'core'), String(process.pid)], { cwd: dir });
  assert.deepEqual(look(() => pieces(path.join(dir, `core.${process.pid}`)), found), [], 'in the core image');
});
