// Electron, as far as plain Node.js goes: archives, and examples/electron with the real
// engine and a small stand-in for Electron (fixtures/electron.mjs). docs/guide/electron.md
// says what is not tested.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { generateKey, serve } from '../../lib/index.mjs';
import { forkUtility, IpcMain, runPreload, WebContents } from './fixtures/electron.mjs';
import { Program, root } from './fixtures/program.mjs';

const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-electron-')));
after(() => fs.rmSync(folder, { recursive: true }));

// An application has its own package.json and node_modules.
const example = path.join(folder, 'example');
fs.cpSync(path.join(root, 'examples', 'electron'), example, { recursive: true });
fs.mkdirSync(path.join(example, 'node_modules'));
fs.symlinkSync(root, path.join(example, 'node_modules', 'alknet'), 'dir');
const read = (name) => fs.readFileSync(path.join(example, name), 'utf8');
const load = (name) => import(pathToFileURL(path.join(example, name)));
const [{ openBackend }, { expose }, { startBackend }] = await Promise.all(['backend.mjs', 'bridge.mjs', 'remote.mjs'].map(load));

describe('archives', () => {
  const platformPackage = path.join('node_modules', '@alkdev', `alknet-${process.platform}-${process.arch}`);
  const resources = path.join(folder, 'resources');
  const archive = path.join(resources, 'app.asar');

  test('the engine comes from beside the archive, as an addon and as a process', async (t) => {
    const outside = path.join(resources, 'app.asar.unpacked', platformPackage);
    const inside = path.join(archive, platformPackage);
    const program = path.join('bin', process.platform === 'win32' ? 'alknet.exe' : 'alknet');
    for (const where of [outside, inside]) fs.mkdirSync(path.join(where, 'bin'), { recursive: true });
    fs.copyFileSync(path.join(root, 'build', 'Release', 'alknet.node'), path.join(outside, 'alknet.node'));
    fs.copyFileSync(path.join(root, program), path.join(outside, program));
    for (const file of ['alknet.node', program]) fs.writeFileSync(path.join(inside, file), '');
    fs.writeFileSync(path.join(inside, 'package.json'), JSON.stringify({ name: 'x', main: 'alknet.node' }));
    fs.cpSync(path.join(root, 'lib'), path.join(archive, 'node_modules', 'alknet', 'lib'), { recursive: true });
    fs.copyFileSync(path.join(root, 'package.json'), path.join(archive, 'node_modules', 'alknet', 'package.json'));
    fs.writeFileSync(path.join(archive, 'main.cjs'), "const { SecretStore, parseAddress } = require('alknet'); const store = new SecretStore(); console.log(store.engine, parseAddress('tcp://[::1]:5').port); store.dispose();");
    const fixture = path.join(root, 'test', 'js', 'fixtures', 'asar.cjs');
    for (const engine of ['addon', 'process']) {
      const { stdout, stderr } = await new Program(t, process.execPath, ['--require', fixture, path.join(archive, 'main.cjs')], { env: { ALKNET_ENGINE: engine, ALKNET_BINARY: '' } }).ended;
      assert.deepEqual({ stdout, stderr }, { stdout: `${engine} 5\n`, stderr: '' });
    }
  });

  // lib/engine/unpacked.js in a process that says it is Electron.
  async function unpackedIn(t, file, { electron = true, before = '' } = {}) {
    const fixture = path.join(root, 'test', 'js', 'fixtures', 'asar.cjs');
    const script = `${before}; try { console.log(require(${JSON.stringify(path.join(root, 'lib', 'engine', 'unpacked.js'))}).unpacked(${JSON.stringify(file)})) } catch (error) { console.log(error.code, error.message) }`;
    const { stdout, stderr } = await new Program(t, process.execPath, [...(electron ? ['--require', fixture] : []), '-e', script]).ended;
    assert.equal(stderr, '');
    return stdout.trim();
  }

  test('a program is started from beside the archive', async (t) => {
    const bin = (where) => path.join(folder, 'programs', where, platformPackage, 'bin', 'alknet');
    for (const where of ['app.asar', 'app.asar.unpacked', 'app-arm64.asar', 'app-arm64.asar.unpacked']) {
      fs.mkdirSync(path.dirname(bin(where)), { recursive: true });
      fs.writeFileSync(bin(where), '');
    }
    assert.equal(await unpackedIn(t, bin('app.asar')), bin('app.asar.unpacked'));
    assert.equal(await unpackedIn(t, bin('app-arm64.asar')), bin('app-arm64.asar.unpacked'));
    assert.equal(await unpackedIn(t, bin('app.asar.unpacked')), bin('app.asar.unpacked'));
    assert.equal(await unpackedIn(t, '/opt/alknet/bin/alknet'), '/opt/alknet/bin/alknet');
    // A folder of that name is a folder where there are no archives.
    assert.equal(await unpackedIn(t, bin('app.asar'), { electron: false }), bin('app.asar'));
    assert.equal(await unpackedIn(t, bin('app.asar'), { before: 'process.noAsar = true' }), bin('app.asar'));
  });

  test('a program that was packed into the archive is refused, with what to do', async (t) => {
    const packed = path.join(resources, 'packed.asar', 'bin', 'alknet');
    fs.mkdirSync(path.dirname(packed), { recursive: true });
    fs.writeFileSync(packed, '');
    assert.equal(await unpackedIn(t, packed), `ERR_ALKNET_ENGINE alknet: ${packed} is inside an archive, from where no program can be started: leave it out of the archive with asarUnpack (electron-builder) or packagerConfig.asar.unpack (Electron Forge).`);
    const absent = path.join(resources, 'packed.asar', 'bin', 'absent');
    assert.equal(await unpackedIn(t, absent), absent);
  });
});

describe('examples/electron', { timeout: 60_000 }, () => {
  const page = pathToFileURL(path.join(example, 'index.html')).href;
  const isOurs = (url) => url === page;
  const ours = { url: page, parent: null };

  // A window of the example with its preload script.
  function open(ipcMain, frame = ours) {
    const contents = new WebContents();
    const { alknet } = runPreload(path.join(example, 'preload.cjs'), ipcMain, contents, frame);
    return { contents, alknet, ask: (...args) => ipcMain.invoke(contents, frame, 'alknet', ...args) };
  }

  // Its page: just the elements of index.html, and what preload gave it.
  function show(alknet) {
    const elements = {};
    const element = () => Object.assign(new EventEmitter(), {
      textContent: '', children: [],
      append(child) { this.children.push(child); this.emit('append'); },
      addEventListener(name, listener) { this.on(name, listener); },
    });
    for (const [, id] of read('index.html').matchAll(/ id="(\w+)"/g)) elements[id] = element();
    const document = { getElementById: (id) => elements[id] ?? null, createElement: element };
    vm.runInContext(read('renderer.js').replace('500,', '10,'), vm.createContext({ document, alknet }), { filename: 'renderer.js' });
    return elements;
  }

  const backends = {
    'in the main process': () => openBackend(),
    'in a utility process': async () => startBackend(forkUtility(path.join(example, 'utility.mjs')), {}),
  };
  for (const [where, start] of Object.entries(backends)) {
    test(`the page shows a live subscription, the node ${where}`, async () => {
      const ipcMain = new IpcMain();
      const backend = await start();
      const conceal = expose(ipcMain, backend, isOurs);
      const elements = show(open(ipcMain).alknet);
      while (elements.ticks.children.length < 3) await once(elements.ticks, 'append');
      assert.ok(elements.ticks.children.every(({ textContent }) => JSON.parse(textContent) !== null));
      elements.stop.emit('click');
      const { alknet } = open(ipcMain);
      assert.match(JSON.stringify((await alknet.info()).value), /"/);
      await new Promise((resolve) => alknet.ticks(1, () => {}, resolve)()); // stopped before it began
      conceal();
      await backend.close();
      assert.equal(elements.state.textContent, 'stopped');
    });
  }

  test('the page reaches two functions and nothing else', async () => {
    const ipcMain = new IpcMain();
    const backend = await openBackend();
    const conceal = expose(ipcMain, backend, isOurs);
    try {
      const { alknet, ask } = open(ipcMain);
      assert.deepEqual(Object.keys(alknet), ['info', 'ticks']);
      for (const [args, code] of [[['call', '/clock/ticks'], 'INVALID_INPUT'], [['open', '/echo/echo'], 'INVALID_INPUT'], [['close'], 'INVALID_INPUT'], [['constructor'], 'INVALID_INPUT'], [[], 'INVALID_INPUT']]) {
        assert.equal((await ask(...args)).error?.code, code, args.join(' '));
      }
      // A page from elsewhere, a frame inside ours, a frame that is gone.
      for (const frame of [{ url: 'https://example.com/', parent: null }, { url: page, parent: ours }, null]) {
        assert.equal((await open(ipcMain, frame).ask('call', '/echo/echo', 1)).error?.code, 'FORBIDDEN');
      }
      assert.equal((await ask('call', '/echo/echo', { a: 1 })).value.a, 1);
    } finally {
      conceal();
      await backend.close();
    }
  });

  test('a window has its own subscriptions only, a bounded number of them, and they end with it', async () => {
    const ipcMain = new IpcMain();
    const backend = await openBackend();
    const conceal = expose(ipcMain, backend, isOurs);
    try {
      const one = open(ipcMain), two = open(ipcMain);
      const { value: number } = await one.ask('open', '/clock/ticks', { interval: 10 });
      assert.deepEqual(await two.ask('next', number), { value: { done: true } });
      assert.equal((await one.ask('next', number)).value.done, false);
      const all = [number];
      let refused;
      while (!refused) {
        const { value, error } = await one.ask('open', '/clock/ticks', { interval: 10_000 });
        if (error) refused = error;
        else all.push(value);
      }
      assert.equal(all.length, 16);
      assert.match(refused.message, /16 subscriptions/);
      const waiting = one.ask('next', all.at(-1));
      one.contents.emit('did-navigate'); // reloaded
      assert.deepEqual(await waiting, { value: { done: true } });
      assert.ok((await two.ask('open', '/clock/ticks', { interval: 10_000 })).value > 0, 'there is room again');
      two.contents.destroy();
    } finally {
      conceal();
      await backend.close();
    }
  });

  test('the phrase opens the identity of the same name, and is wiped', async () => {
    const head = await serve({ listen: '127.0.0.1:0', key: Buffer.from(generateKey().privateKey), allowAnonymous: true });
    const phrase = new TextEncoder().encode('abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about');
    const backend = await openBackend({ address: head.address, phrase });
    assert.ok(phrase.every((byte) => byte === 0));
    await backend.close();
    await head.close();
  });

  test('an error of the node keeps its code, also when its process dies', async () => {
    await assert.rejects(openBackend({ address: 'nope://x' }), { code: 'INVALID_INPUT' });
    const refused = forkUtility(path.join(example, 'utility.mjs'));
    await assert.rejects(startBackend(refused, { address: 'nope://x' }), { code: 'INVALID_INPUT' });
    refused.kill();
    const child = forkUtility(path.join(example, 'utility.mjs'));
    const ipcMain = new IpcMain();
    const backend = await startBackend(child, {});
    const conceal = expose(ipcMain, backend, isOurs);
    const ended = new Promise((resolve) => open(ipcMain).alknet.ticks(10, () => child.kill(), resolve));
    assert.equal((await ended).code, 'UNAVAILABLE');
    conceal();
    await backend.close();
  });

  test('its windows are closed in, and its files are those that it names', () => {
    const main = read('main.mjs');
    for (const setting of ['sandbox: true', 'contextIsolation: true', 'nodeIntegration: false', 'app.enableSandbox()', 'setWindowOpenHandler', 'will-navigate', 'setPermissionRequestHandler']) assert.ok(main.includes(setting), setting);
    const html = read('index.html');
    const policy = /Content-Security-Policy" content="([^"]+)"/.exec(html)[1];
    assert.match(policy, /^default-src 'none'; script-src 'self';/);
    assert.doesNotMatch(policy, /unsafe/);
    assert.doesNotMatch(html, /<script>|\son\w+=|style=|javascript:/, 'nothing that the policy forbids');
    for (const [, name] of html.matchAll(/src="([^"]+)"/g)) assert.ok(fs.existsSync(path.join(example, name)), name);
    const manifest = JSON.parse(read('package.json'));
    assert.deepEqual(manifest.build.asarUnpack, ['node_modules/@alkdev/**']);
    for (const name of [manifest.main, manifest.build.mac.entitlements]) assert.ok(fs.existsSync(path.join(example, name)), name);
    // What a sandboxed preload may require.
    assert.deepEqual([...read('preload.cjs').matchAll(/require\('(\w+)'\)/g)].map((m) => m[1]), ['electron']);
    const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
    assert.equal(manifest.dependencies.alknet, `^${version}`);
  });
});
