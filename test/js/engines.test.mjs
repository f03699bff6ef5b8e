// The engine as the addon and as a process: which is used, and what happens when either
// of the two processes dies.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { SecretStore, connect, generateKey, serve } from '../../lib/index.mjs';
import { engine, runs, until } from './fixtures/engine-process.mjs';
import { Program, alknet, root } from './fixtures/program.mjs';

const require = createRequire(import.meta.url);
const linux = { skip: process.platform === 'linux' ? false : 'processes are looked up in /proc', timeout: 60_000 };
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-engines-'));
after(() => fs.rmSync(folder, { recursive: true }));
const ABI = Number(/^#define ALK_ABI_VERSION (\d+)$/m.exec(fs.readFileSync(path.join(root, 'binding', 'alknet.h'), 'utf8'))[1]);
const PHRASE = 'test test test test test test test test test test test junk';

// ---- Which one

test('the option says which, else the variable, else the addon is used', async (t) => {
  assert.equal(new SecretStore().engine, engine);
  for (const kind of ['addon', 'process']) {
    const head = await serve({ engine: kind, listen: '127.0.0.1:0', allowAnonymous: true, authorizedKeys: [] });
    t.after(() => head.close());
    assert.deepEqual([head.engine, new SecretStore({ engine: kind }).engine], [kind, kind]);
  }
  for (const wrong of ['proces', 5, null]) {
    const told = { name: 'TypeError', message: /^the option engine must be 'addon' or 'process'/ };
    await assert.rejects(connect('tcp://a', { engine: wrong }), told);
    await assert.rejects(serve({ engine: wrong }), told);
    assert.throws(() => new SecretStore({ engine: wrong }), told);
  }
});

test('two engines in one process call each other', async () => {
  const key = generateKey('a');
  for (const [one, other] of [['addon', 'process'], ['process', 'addon']]) {
    const head = await serve({ engine: one, listen: '127.0.0.1:0', authorizedKeys: [key.publicKey] });
    const node = await connect(head.address, { engine: other, key: Buffer.from(key.privateKey) });
    assert.equal(await node.call('/echo/echo', 'across'), 'across');
    await assert.rejects(connect(head.address, { engine: other, head }), { name: 'TypeError', message: /the option head is of the engine/ });
    await node.close();
    await head.close();
  }
});

test('an identity is used by the engine of its store', async () => {
  for (const kind of ['addon', 'process']) {
    const other = kind === 'addon' ? 'process' : 'addon';
    const store = new SecretStore({ engine: kind });
    await store.unlock(Buffer.from(PHRASE));
    const identity = store.identity();
    const head = await serve({ identity, listen: '127.0.0.1:0', authorizedKeys: [identity.publicKey] });
    const node = await connect(head.address, { identity, engine: kind });
    assert.deepEqual([head.engine, node.engine, await node.call('/echo/echo', 1)], [kind, kind, 1]);
    const told = { name: 'TypeError', message: `the option identity is of the engine '${kind}', and the option engine is '${other}': leave it out, or make both with one` };
    await assert.rejects(connect(head.address, { identity, engine: other }), told);
    await assert.rejects(serve({ identity, engine: other }), told);
    const elsewhere = await serve({ engine: other, listen: '127.0.0.1:0' });
    await assert.rejects(connect(head.address, { identity, head: elsewhere }), { name: 'TypeError', message: 'the options identity and head are of different engines: make both with one' });
    await Promise.all([node.close(), head.close(), elsewhere.close()]);
    store.dispose();
  }
});

/** The package without an addon, with a binary or without. */
function copy(name, ...parts) {
  const where = path.join(folder, name);
  for (const part of ['lib', 'package.json', ...parts]) fs.cpSync(path.join(root, part), path.join(where, part), { recursive: true });
  return where;
}

const script = (where) => `
  const { SecretStore } = require(${JSON.stringify(where)});
  try { console.log(new SecretStore().engine); } catch (error) { console.log(error.name, error.code, error.message); }`;
async function told(t, where, env) {
  const { stdout, stderr } = await new Program(t, process.execPath, ['-e', script(where)], { env: { NODE_PATH: '', ALKNET_ENGINE: '', ALKNET_BINARY: '', ...env } }).ended;
  assert.equal(stderr, '');
  return stdout.trimEnd();
}

test('without the addon the process is used; without both the error explains both', { timeout: 60_000 }, async (t) => {
  const bare = copy('bare');
  assert.equal(await told(t, copy('binary', 'bin/alknet')), 'process');
  assert.equal(await told(t, bare, { ALKNET_BINARY: alknet }), 'process');
  assert.match(await told(t, bare), /^Error ERR_ALKNET_ENGINE alknet: there is no native addon for .*\nalknet: the engine cannot run as a process: there is no binary for .* here: install @alkdev\/alknet-.*, or name the program alknet in the variable ALKNET_BINARY\.$/);
  assert.match(await told(t, bare, { ALKNET_ENGINE: 'process' }), /^Error ERR_ALKNET_ENGINE alknet: the engine cannot run as a process: there is no binary/);
  assert.match(await told(t, bare, { ALKNET_ENGINE: 'addon', ALKNET_BINARY: alknet }), /^Error ERR_ALKNET_ADDON alknet: there is no native addon/);
  assert.match(await told(t, root, { ALKNET_ENGINE: 'process', ALKNET_BINARY: '/nowhere' }), /ALKNET_BINARY names \/nowhere, which is not there/);
  assert.match(await told(t, root, { ALKNET_ENGINE: 'both' }), /^TypeError .*the variable ALKNET_ENGINE must be addon or process, and is "both"$/);
});

test('the package of the platform brings the binary', { timeout: 60_000 }, async (t) => {
  const where = copy('packaged');
  const name = `@alkdev/alknet-${process.platform}-${process.arch}`;
  const installed = path.join(where, 'node_modules', name);
  fs.mkdirSync(path.join(installed, 'bin'), { recursive: true });
  fs.writeFileSync(path.join(installed, 'package.json'), JSON.stringify({ name }));
  fs.copyFileSync(alknet, path.join(installed, 'bin', 'alknet'));
  assert.equal(await told(t, where), 'process');
});

test('requiring the package starts nothing, and loads the addon unless the process is to be used', linux, async (t) => {
  const look = `
    require(${JSON.stringify(root)});
    const fs = require('node:fs');
    console.log(fs.readFileSync('/proc/self/maps', 'latin1').includes('alknet.node'), fs.readdirSync('/proc/self/task').map((t) => fs.readFileSync('/proc/self/task/' + t + '/children', 'latin1')).join(''), process.listenerCount('exit'));`;
  for (const [engine, loaded] of [['', true], ['addon', true], ['process', false]]) {
    const { stdout } = await new Program(t, process.execPath, ['-e', look], { env: { ALKNET_ENGINE: engine } }).ended;
    assert.equal(stdout, `${loaded}  0\n`);
  }
});

test('the process has the environment of its program, without what a service manager tells that', linux, async (t) => {
  const script = `const { SecretStore } = require(${JSON.stringify(root)}); new SecretStore();
    const fs = require('node:fs');
    const [engine] = fs.readdirSync('/proc/self/task').flatMap((t) => fs.readFileSync('/proc/self/task/' + t + '/children', 'latin1').split(' ').filter(Boolean));
    console.log(JSON.stringify(fs.readFileSync('/proc/' + engine + '/environ', 'latin1').split('\\0').map((line) => line.split('=')[0])));
    process.exit();`;
  const theirs = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES', 'MAINPID', 'SYSTEMD_EXEC_PID', 'FDSTORE', 'MEMORY_PRESSURE_WATCH'];
  const ours = ['CREDENTIALS_DIRECTORY', 'LISTENER', 'ANYTHING'];
  const env = { ALKNET_ENGINE: 'process', ...Object.fromEntries([...theirs, ...ours].map((name) => [name, '1'])) };
  const { stdout, stderr } = await new Program(t, process.execPath, ['-e', script], { env }).ended;
  const names = JSON.parse(stdout || 'null') ?? assert.fail(stderr);
  assert.deepEqual([...theirs, ...ours, 'PATH'].filter((name) => names.includes(name)), [...ours, 'PATH']);
});

test('both sides know the version of binding/alknet.h', () => {
  const version = (file, pattern) => Number(pattern.exec(fs.readFileSync(path.join(root, file), 'utf8'))[1]);
  assert.equal(version('lib/engine/process-thread.js', /^const ABI_VERSION = (\d+);/m), ABI);
  assert.equal(version('go/internal/engine/invoke.go', /^const ABIVersion = (\d+)$/m), ABI);
});

// ---- Programs that are no engine, or another one

/** An executable that does what the script says after it has read the greeting. */
function fake(name, does) {
  const file = path.join(folder, name);
  fs.writeFileSync(file, `#!${process.execPath}
    const hello = (version) => { const b = Buffer.alloc(5 + 17 + 5); b.writeUInt32BE(22); b.write('Halknet engine', 4); b.writeUInt32BE(version, 18); b.write('9.9.9', 22); process.stdout.write(b); };
    process.stdin.once('data', () => { ${does} });`, { mode: 0o755 });
  return file;
}

const { EngineProcess } = require('../../lib/engine/process.js');

/** What is told of a process that ends. */
function goneOf(binary, options) {
  return new Promise((resolve) => {
    const carrier = new EngineProcess(binary, (gone) => { carrier.ref(false); resolve({ gone, carrier }); }, options);
    carrier.open(() => carrier.poll());
    carrier.ref(true);
  });
}

describe('a program that cannot be used is told in one sentence, and never retried', { timeout: 60_000 }, () => {
  const cases = {
    'another version': [fake('newer', 'hello(99); setInterval(() => {}, 1e6)'), /^the engine \S+newer, of alknet 9\.9\.9, speaks version 99 of the messages, and this package version \d+: use those of one release$/],
    'no greeting': [fake('mute', 'process.exit(3)'), /mute has ended with exit code 3 before it could be used$/],
    'words in place of messages': [fake('chatty', "process.stdout.write('hello world'); setInterval(() => {}, 1e6)"), /chatty is no engine of alknet$/],
    'an old binary': [fake('old', "console.error('alknet: unexpected argument engine'); process.exit(2)"), /old has ended with exit code 2 before it could be used: alknet: unexpected argument engine$/],
    'no program': [path.join(root, 'package.json'), /package\.json could not be started: .*EACCES/],
  };
  for (const [name, [binary, message]] of Object.entries(cases)) {
    test(name, async () => {
      const { gone } = await goneOf(binary);
      assert.deepEqual([gone.code, gone.retryable], ['UNAVAILABLE', false]);
      assert.match(gone.message, message);
    });
  }

  test('what it wanted to write to stderr is the cause', async () => {
    const { gone } = await goneOf(fake('panic', `hello(${ABI}); console.error('panic: of a defect\\n\\ngoroutine 1'); process.exit(2)`));
    assert.equal(gone.message, "the engine's process has ended with exit code 2: panic: of a defect");
    assert.equal(gone.retryable, true);
    assert.equal(gone.cause, 'panic: of a defect\n\ngoroutine 1\n');
  });

  test('garbage after the greeting, and a message of 4 GiB', async () => {
    for (const bytes of ['Buffer.from([0, 0, 0, 1, 88, 0])', 'Buffer.from([255, 255, 255, 255, 67])', 'Buffer.from([255, 255, 255, 255, 82])']) {
      const { gone } = await goneOf(fake('garbage', `hello(${ABI}); process.stdout.write(${bytes}); setInterval(() => {}, 1e6)`));
      assert.equal(gone.message, 'the engine has sent what is no message');
    }
  });

  test('one that does not answer is ended', async () => {
    const carrier = new EngineProcess(fake('hung', `hello(${ABI}); setInterval(() => {}, 1e6)`), () => {}, { answerTimeout: 300 });
    carrier.open(() => carrier.poll());
    assert.throws(() => carrier.invoke('version', Buffer.alloc(0)), { code: 'UNAVAILABLE', message: /^the engine's process has not answered for 0\.3 s, and was ended$/ });
  });
});

// ---- Either of the two dies

const host = (t, mode) => Program.fixture(t, 'engine-host.mjs', [mode], { env: { ALKNET_ENGINE: 'process' } });

describe('kill -9 of the engine', { concurrency: 2, ...linux }, () => {
  const sentence = "the engine's process was ended by SIGKILL";
  const cases = {
    rest: [`close UNAVAILABLE true ${sentence}`, `close UNAVAILABLE true ${sentence}`, 'sessionClosed UNAVAILABLE 0', 'true true UNAVAILABLE UNAVAILABLE', 'again', 'UNAVAILABLE'],
    call: ['call UNAVAILABLE', 'call UNAVAILABLE', 'no error no error'],
    subscription: ['event 1', 'handler UNAVAILABLE', 'subscription UNAVAILABLE true'],
    opening: ['UNAVAILABLE UNAVAILABLE true'],
    unlock: ['unlock UNAVAILABLE', 'lock UNAVAILABLE {"state":"locked","memory":"none","exportable":true,"closed":false,"cached":0,"sealCounts":{}}', 'again false lock UNAVAILABLE,unlock ok'],
    store: ['sealed {"2":1}', 'lock UNAVAILABLE true true', 'LOCKED', 'LOCKED', 'LOCKED', 'LOCKED', 'LOCKED LOCKED', 'again {"2":1} false', 'LOCKED', 'process true 1', 'true'],
    sync: ['UNAVAILABLE,LOCKED', 'no error false'],
  };
  for (const [mode, lines] of Object.entries(cases)) {
    test(mode, async (t) => {
      const { code, signal, stdout, stderr } = await host(t, mode).ended;
      assert.deepEqual([stdout.trim().split('\n').sort(), stderr, code, signal], [[...lines].sort(), '', 0, null]);
    });
  }
});

describe('an engine ends with the program that it belongs to', { concurrency: 2, ...linux }, () => {
  for (const [mode, signal, code] of [['idle', 'SIGKILL', null], ['idle', 'SIGTERM', null], ['exit', null, 7], ['uncaught', null, 1], ['unref', null, 0]]) {
    test(`${mode} ${signal ?? ''}`, async (t) => {
      const program = host(t, mode);
      const pid = Number((await program.line(/^engine (\d+)$/))[1]);
      if (signal) program.kill(signal);
      const ended = await program.ended;
      assert.deepEqual([ended.code, ended.signal], [code, signal]);
      await until(() => !runs(pid));
    });
  }

  test('or with its thread, however that ends', async (t) => {
    const { code, stdout, stderr } = await host(t, 'threads').ended;
    assert.deepEqual([stdout, stderr, code], ['terminate 2\nexit 2\nfinish 2\n', '', 0]);
  });
});

test('signals of a terminal or a service manager do not end it, the end of stdin does', { ...linux, skip: process.platform === 'win32' && 'signals are of POSIX' }, async (t) => {
  const program = new Program(t, alknet, ['engine'], { env: { HOME: undefined, XDG_STATE_HOME: undefined, ALKNET_HOME: undefined } });
  const hello = Buffer.concat([Buffer.from([0, 0, 0, 17]), Buffer.from('Halknet engine'), Buffer.from([0, 0, 0, ABI])]);
  program.child.stdin.write(hello);
  while (!program.stdout.includes('Halknet engine')) await once(program.child.stdout, 'data');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) program.kill(signal);
  const invoke = Buffer.from('Iversion');
  program.child.stdin.write(Buffer.concat([Buffer.from([0, 0, 0, 8, 0x49, 7]), invoke.subarray(1)]));
  while (!program.stdout.includes(`"abi":${ABI}`)) await once(program.child.stdout, 'data');
  program.child.stdin.end();
  const { code, signal, stderr } = await program.ended;
  assert.deepEqual([code, signal, stderr], [0, null, '']);
});

test('started by hand it says what it is for', async (t) => {
  const program = new Program(t, alknet, ['engine']);
  program.child.stdin.end('hello');
  const { code, stdout, stderr } = await program.ended;
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^alknet: .*has not said which version it is/);
});

test('files are found from the working folder of the program, after it has changed too', { timeout: 60_000 }, async (t) => {
  const { privateKey, publicKey } = generateKey('a');
  fs.mkdirSync(path.join(folder, 'later'));
  fs.writeFileSync(path.join(folder, 'later', 'key'), privateKey, { mode: 0o600 });
  fs.writeFileSync(path.join(folder, 'later', 'authorized_keys'), `${publicKey}\n`);
  const program = `
    const { connect, generateKey, serve } = require(${JSON.stringify(root)});
    generateKey(); // the engine runs
    process.chdir('later');
    (async () => {
      const head = await serve({ listen: '127.0.0.1:0', key: 'key', authorizedKeys: 'authorized_keys' });
      const node = await connect(head.address, { key: 'key' });
      console.log(await node.call('/echo/echo', 'found'));
      await node.close();
      await head.close();
    })();`;
  for (const kind of ['addon', 'process']) {
    const { stdout, stderr } = await new Program(t, process.execPath, ['-e', program], { cwd: folder, env: { ALKNET_ENGINE: kind } }).ended;
    assert.deepEqual([stdout, stderr], ['found\n', '']);
  }
});
