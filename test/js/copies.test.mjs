// The package several times in one process, as test runners load it: what copies share,
// what they leave behind, and what is refused because it is of another release.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { engine, until } from './fixtures/engine-process.mjs';
import { Program, alknet, root } from './fixtures/program.mjs';

const require = createRequire(import.meta.url);
const lib = path.join(root, 'lib');
const { version } = require(path.join(root, 'package.json'));
const PHRASE = 'test test test test test test test test test test test junk';

/** Another copy of the JavaScript. */
function fresh() {
  for (const file of Object.keys(require.cache)) if (file.startsWith(lib)) delete require.cache[file];
  return require(root);
}

/** The processes that this one has started and that run. */
function children() {
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((name) => {
    try {
      const [state, parent] = fs.readFileSync(`/proc/${name}/stat`, 'latin1').split(') ').at(-1).split(' ');
      return Number(parent) === process.pid && state !== 'Z';
    } catch {
      return false;
    }
  });
}

const threads = () => fs.readdirSync('/proc/self/task').length;

describe('copies of one release', { timeout: 120_000 }, () => {
  test('leave one exit listener, and no process and thread, behind', { skip: process.platform === 'linux' ? false : '/proc is needed' }, async () => {
    const warnings = [];
    const listen = (warning) => warnings.push(warning);
    process.on('warning', listen);
    const use = async (kind) => {
      const copy = fresh();
      const head = await copy.serve({ engine: kind, listen: '127.0.0.1:0', allowAnonymous: true });
      const store = new copy.SecretStore({ engine: kind });
      await store.create();
      const key = store.deriveSync("m/74'/0'/0'/0'");
      assert.equal(key.publicKey.length, 32);
      store.dispose();
      await head.close();
    };
    for (const kind of ['addon', 'process']) {
      await use(kind);
      await until(() => children().length === 0);
      const [listeners, running] = [process.listenerCount('exit'), threads()];
      for (let i = 0; i < 12; i++) await use(kind);
      await until(() => children().length === 0);
      await until(() => threads() <= running + 4); // Go starts threads as it needs them
      assert.equal(process.listenerCount('exit'), listeners, kind);
    }
    await new Promise(setImmediate);
    process.off('warning', listen);
    assert.deepEqual(warnings, []);
  });

  test('an engine in a process that has ended so starts again', async () => {
    const { generateKey, SecretStore, serve } = fresh();
    for (let i = 0; i < 3; i++) {
      const store = new SecretStore({ engine: 'process' });
      await store.unlock(PHRASE);
      const key = store.deriveSync("m/74'/0'/0'/0'");
      const identity = store.identity();
      const head = await serve({ identity, listen: '127.0.0.1:0', allowAnonymous: true });
      await head.close();
      assert.equal(store.locked, false, 'a store that is there keeps it');
      store.dispose();
      const uses = [() => store.deriveSync("m/74'/0'"), () => key.signSync(Buffer.from('x')), () => key.sign(Buffer.alloc(100_000)), () => serve({ identity })];
      const told = () => Promise.all(uses.map(async (use) => { await assert.rejects(async () => use(), { name: 'AlknetError', code: 'CLOSED', message: 'the store is closed' }); }));
      await told();
      if (process.platform !== 'linux') return;
      await until(() => children().length === 0);
      await told();
      assert.equal(children().length, 0, 'nothing was started for that');
    }
    assert.equal(typeof generateKey().publicKey, 'string');
  });

  test('sessions of an engine that has ended so are none of the next one', { skip: process.platform === 'linux' ? false : '/proc is needed' }, async () => {
    const { connect, serve } = fresh();
    const open = async () => {
      const head = await serve({ engine: 'process', listen: '127.0.0.1:0', allowAnonymous: true });
      const opened = once(head, 'session');
      const node = await connect(head.address, { engine: 'process' });
      await node.handle('/x/y', () => 'called');
      return { head, node, session: (await opened)[0] };
    };
    const first = await open();
    assert.equal(await first.session.call('/x/y'), 'called');
    await first.node.close();
    await first.head.close();
    const ended = { code: 'UNAVAILABLE', message: 'the session has ended' };
    await assert.rejects(first.session.call('/x/y'), ended);
    await until(() => children().length === 0);
    const second = await open();
    assert.equal(await second.session.call('/x/y'), 'called');
    await assert.rejects(first.session.call('/x/y'), ended);
    first.session.close();
    await assert.rejects(first.node.call('/x/y'), { code: 'UNAVAILABLE' });
    assert.equal(await second.session.call('/x/y'), 'called');
    await second.node.close();
    await second.head.close();
  });

  test('a store that is held keeps its process, with nothing else in use', { skip: process.platform === 'linux' ? false : '/proc is needed' }, async () => {
    const { SecretStore } = fresh();
    const store = new SecretStore({ engine: 'process' });
    await store.unlock(PHRASE);
    const key = store.deriveSync("m/74'/0'/0'/0'");
    await until(() => children().length === 1); // those of the tests above have ended
    const before = children();
    await new Promise((resolve) => { setTimeout(resolve, 1_200); }); // longer than it rests
    assert.deepEqual(children(), before);
    assert.equal(key.signSync(Buffer.from('x')).length, 64);
    store.dispose();
  });

  test('know each other\'s objects', async () => {
    const one = fresh();
    const two = fresh();
    assert.notEqual(one.SecretStore, two.SecretStore);
    const store = new one.SecretStore();
    await store.unlock(PHRASE);
    const identity = store.identity();
    const head = await two.serve({ identity, listen: 'tcp://127.0.0.1:0', authorizedKeys: [identity.publicKey] });
    await head.handle('/x/who', (_, context) => context.session instanceof one.Session && context.session instanceof two.Session);
    const opened = once(head, 'session');
    const node = await one.connect(head.address, { identity });
    const [session] = await opened;
    assert.equal(await node.call('/x/who'), true);
    const third = fresh();
    const joined = await third.connect(head.address, { identity, head });
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-copies-'));
    const credentials = new two.CredentialStore(store, { directory: folder });
    for (const copy of [one, two, third]) {
      assert.ok(head instanceof copy.Server && !(head instanceof copy.Connection));
      assert.ok(node instanceof copy.Connection && session instanceof copy.Session);
      assert.ok(store instanceof copy.SecretStore && identity instanceof copy.SecretIdentity);
      assert.ok(store.deriveSync("m/74'/1'") instanceof copy.SecretKey);
      assert.ok(credentials instanceof copy.CredentialStore);
      for (const other of [undefined, null, 1, 'x', {}, [], copy]) assert.equal(other instanceof copy.Server, false);
    }
    class Mine extends one.SecretStore {}
    assert.equal(store instanceof Mine, false);
    assert.ok(new Mine() instanceof Mine && new Mine() instanceof two.SecretStore);
    await Promise.all([node.close(), joined.close()]);
    await head.close();
    store.dispose();
    fs.rmSync(folder, { recursive: true });
  });
});

describe('another release', { timeout: 60_000 }, () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-release-'));
  after(() => fs.rmSync(folder, { recursive: true }));
  const name = `@alkdev/alknet-${process.platform}-${process.arch}`;

  /** The package as another release, with the platform's package of this one. */
  function install(where, { says, addon = true } = {}) {
    const home = path.join(folder, where, 'node_modules', 'alknet');
    const platform = path.join(folder, where, 'node_modules', name);
    fs.cpSync(lib, path.join(home, 'lib'), { recursive: true });
    fs.writeFileSync(path.join(home, 'package.json'), JSON.stringify({ ...require(path.join(root, 'package.json')), version: '9.9.9' }));
    fs.mkdirSync(path.join(platform, 'bin'), { recursive: true });
    if (addon) fs.copyFileSync(path.join(root, 'build', 'Release', 'alknet.node'), path.join(platform, 'alknet.node'));
    fs.copyFileSync(alknet, path.join(platform, 'bin', path.basename(alknet)));
    fs.writeFileSync(path.join(platform, 'package.json'), JSON.stringify({ name, version: says, main: 'alknet.node' }));
    return { home, binary: path.join(platform, 'bin', path.basename(alknet)) };
  }

  const uses = {
    store: 'new a.SecretStore()', generateKey: 'a.generateKey()', parseAddress: "a.parseAddress('tcp://x')", generateMnemonic: 'a.generateMnemonic()',
    serve: "await a.serve({ listen: '127.0.0.1:0' })", connect: "await a.connect('tcp://127.0.0.1:1')",
  };

  async function said(t, home, env) {
    const script = `const a = require(${JSON.stringify(home)}); (async () => {
      for (const use of ${JSON.stringify(Object.values(uses))}) {
        try { await eval('(async () => { ' + use + ' })()'); console.log('used'); } catch (error) { console.log(error.code, error.message); }
      }
    })().finally(() => process.exit());`;
    const { stdout, stderr } = await new Program(t, process.execPath, ['-e', script], { env: { NODE_PATH: '', ALKNET_ENGINE: '', ALKNET_BINARY: '', ...env } }).ended;
    assert.equal(stderr, '');
    return stdout.trimEnd().split('\n');
  }

  const both = new RegExp(`is of alknet ${version.replaceAll('.', '\\.')} and this package of alknet 9\\.9\\.9: use those of one release\\.?$`);

  for (const [title, kind, code] of [['the addon', '', 'ERR_ALKNET_ADDON'], ['the addon, by name', 'addon', 'ERR_ALKNET_ADDON'], ['the binary', 'process', 'UNAVAILABLE']]) {
    test(`${title} is refused at the first use by one sentence`, async (t) => {
      const { home } = install(`silent-${kind}`);
      for (const line of await said(t, home, { ALKNET_ENGINE: kind })) {
        assert.match(line, both);
        assert.equal(line.split(' ')[0], code);
      }
    });
  }

  test('so is the binary of a package that says so, and the one of ALKNET_BINARY', async (t) => {
    const { home, binary } = install('says', { says: version, addon: false });
    for (const line of await said(t, home, { ALKNET_ENGINE: 'process' })) assert.match(line, new RegExp(`^ERR_ALKNET_ENGINE .*${both.source}`));
    for (const line of await said(t, home, { ALKNET_ENGINE: 'process', ALKNET_BINARY: binary })) assert.match(line, new RegExp(`^UNAVAILABLE .*${both.source}`));
  });

  test('so is the program of npx', async (t) => {
    const { home } = install('launched', { says: version });
    const { code, stdout, stderr } = await new Program(t, process.execPath, [path.join(home, 'lib', 'cli.js'), 'version']).ended;
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr.trimEnd(), both);
  });

  test('one of the same release is used', async (t) => {
    const { stdout } = await new Program(t, process.execPath, ['-e', `const a = require(${JSON.stringify(root)}); a.generateKey(); console.log(new a.SecretStore().engine); process.exit()`], {}).ended;
    assert.equal(stdout.trim(), engine);
  });
});
