// The store as JavaScript sees it: states, arguments, what is wiped, what is told.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { spawnSync } from 'node:child_process';
import vm from 'node:vm';
import { SecretStore, generateMnemonic, validateMnemonic, wordlists, AlknetError } from '../../lib/index.mjs';
import { PHRASE, code, hex, unlocked, utf8 } from './fixtures/secrets.mjs';

const IDENTITY = "m/74'/0'/0'/0'";
const zero = (bytes) => bytes.every((b) => b === 0);

test('states: locked, unlocked, locked again; keys die with the lock; disposed is for good', async () => {
  const store = new SecretStore();
  assert.deepEqual(store.status, { state: 'locked', memory: 'none', exportable: true, closed: false, cached: 0, sealCounts: {} });
  await assert.rejects(store.derive(IDENTITY), code('LOCKED'));
  await store.unlock(utf8(PHRASE));
  assert.equal(store.locked, false);
  await assert.rejects(store.unlock(utf8(PHRASE)), code('ALREADY_UNLOCKED'));
  await assert.rejects(store.create(), code('ALREADY_UNLOCKED'));
  const key = await store.derive(IDENTITY);
  const publicKey = hex(key.publicKey);
  await key.sign(utf8('x'));
  const sealed = await store.encrypt(utf8('x'));
  assert.deepEqual([store.status.cached, store.status.sealCounts], [2, { 2: 1 }]);
  store.lock();
  store.lock();
  assert.ok(store.locked);
  assert.equal(store.status.cached, 0);
  const uses = [
    () => key.sign(utf8('x')), () => key.exportPrivateKey(), () => store.derive(IDENTITY), () => store.encrypt(utf8('x')), () => store.decrypt(sealed),
    () => store.encrypt(new Uint8Array(100_000)), () => store.rotate(sealed), () => store.password('a'), () => store.passwordBytes('a'), () => store.ethereum.address(),
    () => store.ethereum.signMessage('x'), () => store.sshPublicKey(), () => store.sshPrivateKey(), () => store.authToken(), async () => store.identity(),
  ];
  for (const use of uses) await assert.rejects(use, code('LOCKED'), String(use));
  await store.unlock(utf8(PHRASE));
  await assert.rejects(key.sign(utf8('x')), code('LOCKED'), 'a key outlived the lock');
  assert.equal(hex(key.publicKey), publicKey);
  assert.equal(hex((await store.derive(IDENTITY)).publicKey), publicKey);
  assert.equal(Buffer.from(await store.decrypt(sealed)).toString(), 'x');
  store.dispose();
  store.dispose();
  assert.deepEqual(store.status, { state: 'locked', memory: 'none', exportable: true, closed: true, cached: 0, sealCounts: { 2: 1 } });
  store.lock();
  for (const use of [...uses, () => store.unlock(utf8(PHRASE)), () => store.create()]) await assert.rejects(use, (error) => code('CLOSED')(error) || code('LOCKED')(error), String(use));
  await assert.rejects(store.unlock(utf8(PHRASE)), code('CLOSED'));
});

test('stores are independent of each other', async () => {
  const phrases = Array.from({ length: 8 }, () => generateMnemonic());
  const texts = phrases.map((p) => Buffer.from(p).toString());
  const stores = await Promise.all(phrases.map(async (phrase) => {
    const store = new SecretStore();
    await store.unlock(phrase);
    return store;
  }));
  const keys = stores.map((store) => hex(store.deriveSync(IDENTITY).publicKey));
  assert.equal(new Set(keys).size, 8);
  stores[3].lock();
  for (const [n, store] of stores.entries()) assert.equal(store.locked, n === 3);
  for (const [n, text] of texts.entries()) assert.equal(hex((await unlocked(text)).deriveSync(IDENTITY).publicKey), keys[n]);
});

test('create gives the phrase that unlocks the same keys', async () => {
  for (const options of [undefined, { words: 12 }, { words: 15, wordlist: 'japanese', passphrase: utf8('p') }]) {
    const store = new SecretStore();
    const passphrase = options?.passphrase?.slice();
    const phrase = await store.create(options);
    assert.ok(phrase instanceof Uint8Array);
    assert.equal(validateMnemonic(phrase), options?.wordlist ?? 'english');
    assert.equal(Buffer.from(phrase).toString().split(/[ \u3000]/).length, options?.words ?? 24);
    const publicKey = hex(store.deriveSync(IDENTITY).publicKey);
    store.lock();
    await store.unlock(phrase, { passphrase });
    assert.equal(hex(store.deriveSync(IDENTITY).publicKey), publicKey);
  }
});

test('phrases and passphrases are wiped at once, whatever comes of it', async () => {
  const attempts = [
    (s, m, passphrase) => s.unlock(m, { passphrase }),
    (s, m, passphrase) => s.unlock(m.fill(120), { passphrase }), // no mnemonic
    (s, m, passphrase) => s.unlock(m, { passphrase, signal: AbortSignal.abort() }),
    (s, m, passphrase) => s.unlock(m, { passphrase, signal: 7 }),
    (s, m, passphrase) => s.unlock(m, { passphrase, nonsense: 1 }),
    (s, m, passphrase) => { m.fill(0); return s.unlock(7, { passphrase }); },
    (s, m) => s.unlock(m, { passphrase: 7 }),
    (s, m) => s.unlock(m, 'text'),
    (s, m, passphrase) => { s.dispose(); return s.unlock(m, { passphrase }); },
    (s, m, passphrase) => { m.fill(0); return s.create({ passphrase }); },
    (s, m, passphrase) => { m.fill(0); return s.create({ passphrase, words: 13 }); },
    (s, m, passphrase) => { m.fill(0); return s.create({ passphrase, signal: AbortSignal.abort() }); },
    (s, m, passphrase) => { m.fill(0); return s.sshPrivateKey({ passphrase }); },
    (s, m, passphrase) => { m.fill(0); return s.sshPrivateKey({ passphrase, comment: 7 }); },
  ];
  for (const attempt of attempts) {
    const mnemonic = Buffer.from(PHRASE);
    const passphrase = utf8('correct horse');
    const store = new SecretStore();
    const done = attempt(store, mnemonic, passphrase);
    done.catch(() => {});
    assert.ok(zero(mnemonic), `${attempt} left the phrase`);
    assert.ok(zero(passphrase) || String(attempt).includes('(s, m)'), `${attempt} left the passphrase`);
    await done.catch(() => {});
  }
  // The view alone is wiped, and not what it lies in.
  const whole = Buffer.from(`before ${PHRASE} after`);
  await new SecretStore().unlock(whole.subarray(7, 7 + PHRASE.length));
  assert.deepEqual([whole.subarray(0, 7).toString(), whole.subarray(-6).toString(), zero(whole.subarray(7, -6))], ['before ', ' after', true]);
  const phrase = utf8(PHRASE);
  validateMnemonic(phrase);
  assert.equal(Buffer.from(phrase).toString(), PHRASE, 'validateMnemonic changed the phrase');
});

test('plaintexts are wiped once they are sealed, unless that is not wanted; nothing else is', async () => {
  const store = await unlocked(PHRASE);
  const key = await store.derive("m/1'", 'aes-256-gcm');
  for (const size of [5, 100_000]) {
    const fresh = () => new Uint8Array(size).fill(7);
    for (const seal of [(d, o) => store.encrypt(d, o), async (d, o) => store.encryptSync(d, o), (d, o) => key.seal(d, o), async (d, o) => key.sealSync(d, o)]) {
      const gone = fresh();
      await seal(gone);
      assert.ok(zero(gone), `${seal} left the plaintext of ${size} bytes`);
      const kept = fresh();
      await seal(kept, { wipe: false });
      assert.deepEqual(kept, fresh());
      await assert.rejects(seal(kept, { wipe: 1 }), TypeError);
      assert.deepEqual(kept, fresh());
    }
    const sealed = await key.seal(fresh());
    const copy = sealed.slice();
    assert.deepEqual(await key.open(sealed), fresh());
    assert.deepEqual(sealed, copy);
    const message = fresh();
    await (await store.derive(IDENTITY)).sign(message);
    await store.ethereum.signMessage(message);
    assert.deepEqual(message, fresh());
    // What could not be sealed is still there: it may be the only copy.
    const other = await unlocked(PHRASE);
    other.lock();
    await assert.rejects(other.encrypt(message), code('LOCKED'));
    assert.throws(() => other.encryptSync(message), code('LOCKED'));
    assert.deepEqual(message, fresh());
  }
});

test('synchronous twins give the same as the others', async () => {
  const store = await unlocked(PHRASE);
  const key = await store.derive(IDENTITY);
  const message = utf8('message');
  const at = new Date(1_700_000_000_000);
  const pairs = [
    [await key.sign(message), key.signSync(message)], [await key.exportPrivateKey(), key.exportPrivateKeySync()],
    [await store.password('Example.com'), store.passwordSync('example.COM')], [await store.passwordBytes('a', 99), store.passwordBytesSync('a', 99)],
    [await store.ethereum.address(), store.ethereum.addressSync()], [await store.ethereum.signMessage('é'), store.ethereum.signMessageSync(utf8('é'))],
    [await store.ethereum.signDigest(new Uint8Array(32)), store.ethereum.signDigestSync(`0x${'00'.repeat(32)}`)],
    [await store.sshPublicKey({ comment: 'c' }), store.sshPublicKeySync({ comment: 'c' })], [await store.authToken({ at }), store.authTokenSync({ at })],
    [(await store.derive('m')).path, store.deriveSync('m').path],
  ];
  for (const [n, [a, b]] of pairs.entries()) assert.deepEqual(a, b, `pair ${n}`);
  // Large inputs leave JavaScript's thread, and give the same too.
  const large = new Uint8Array(300_000).map((_, i) => i);
  assert.deepEqual(await key.sign(large), key.signSync(large));
  assert.equal(await store.ethereum.signMessage(large), store.ethereum.signMessageSync(large));
  const aes = await store.derive("m/1'", 'aes-256-gcm');
  assert.deepEqual(aes.openSync(await aes.seal(large, { wipe: false })), large);
  assert.deepEqual(await aes.open(aes.sealSync(large, { wipe: false })), large);
  const data = await store.encrypt(large, { wipe: false });
  assert.deepEqual(store.decryptSync(data), large);
  assert.deepEqual(await store.decrypt(store.encryptSync(large, { wipe: false, version: 9 })), large);
  assert.deepEqual(await store.decrypt(await store.rotate(data, { version: 3 })), large);
  assert.deepEqual(await store.decrypt(store.rotateSync(data)), large);
  assert.deepEqual(await store.decrypt(await store.encrypt(new Uint8Array(0))), new Uint8Array(0));
});

test('the most that is sealed at once is 32 MiB', { timeout: 60_000 }, async () => {
  const store = await unlocked(PHRASE);
  const most = new Uint8Array(32 << 20).fill(3);
  const sealed = await store.encrypt(most);
  const opened = await store.decrypt(sealed);
  assert.equal(opened.length, 32 << 20);
  assert.ok(opened.every((b) => b === 3));
  const key = await store.derive("m/1'", 'aes-256-gcm');
  for (const seal of [(d) => store.encrypt(d), (d) => key.seal(d), async (d) => store.encryptSync(d), async (d) => key.sealSync(d)]) {
    await assert.rejects(seal(new Uint8Array((32 << 20) + 1)), RangeError);
  }
});

test('many large operations at once', async () => {
  const store = await unlocked(PHRASE);
  const sealed = await Promise.all(Array.from({ length: 200 }, (_, n) => store.encrypt(new Uint8Array(70_000).fill(n))));
  const opened = await Promise.all(sealed.map((data) => store.decrypt(data)));
  for (const [n, plaintext] of opened.entries()) assert.ok(plaintext.length === 70_000 && plaintext.every((b) => b === n));
});

test('passwords are the same every time, and have the classes asked for', async () => {
  const store = await unlocked(PHRASE);
  const text = async (...args) => Buffer.from(await store.password(...args)).toString();
  assert.equal(await text('example.com'), await text('EXAMPLE.com'));
  assert.notEqual(await text('example.com'), await text('example.org'));
  assert.equal((await text('example.com')).length, 20);
  assert.match(await text('a', { length: 6, classes: ['digits'] }), /^[0-9]{6}$/);
  assert.match(await text('a', { length: 128, classes: ['lower', 'upper'] }), /^(?=.*[a-z])(?=.*[A-Z])[a-zA-Z]{128}$/);
  assert.deepEqual((await store.passwordBytes('a', 64)).slice(0, 16), await store.passwordBytes('a', 16));
});

test('a store that is not exportable has no door out', async () => {
  const store = await unlocked(PHRASE, '', { exportable: false });
  assert.equal(store.status.exportable, false);
  const key = await store.derive(IDENTITY);
  await key.sign(utf8('x'));
  await assert.rejects(key.exportPrivateKey(), code('NOT_EXPORTABLE'));
  assert.throws(() => key.exportPrivateKeySync(), code('NOT_EXPORTABLE'));
  await assert.rejects(store.sshPrivateKey(), code('NOT_EXPORTABLE'));
  assert.equal(Buffer.from(await store.decrypt(await store.encrypt(utf8('x')))).toString(), 'x');
});

test('an unlock that was aborted leaves the store locked', async () => {
  const reason = new Error('changed my mind');
  for (const begin of [(s, signal) => s.unlock(utf8(PHRASE), { signal }), (s, signal) => s.create({ signal })]) {
    for (let n = 0; n < 20; n++) {
      const store = new SecretStore();
      const controller = new AbortController();
      let finished = false;
      const done = begin(store, controller.signal).then(() => { finished = true; });
      // In the same turn, at some time while it runs, and when it has run but was not told.
      if (n % 3 === 1) await new Promise(setImmediate);
      if (n % 3 === 2) for (const deadline = Date.now() + 5000; store.locked && Date.now() < deadline;);
      if (finished) continue;
      controller.abort(reason);
      await done.then(() => assert.fail('unlocked'), (error) => assert.equal(error, reason));
      assert.ok(store.locked);
      await store.unlock(utf8(PHRASE));
      assert.ok(!store.locked);
    }
  }
  const store = await unlocked(PHRASE);
  const controller = new AbortController();
  const second = store.unlock(utf8(PHRASE), { signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(second, (error) => error === reason || code('ALREADY_UNLOCKED')(error));
  assert.ok(!store.locked, 'aborting an unlock that did nothing locked the store');
});

test('a lock while an unlock is under way wins', async () => {
  for (let n = 0; n < 20; n++) {
    const store = new SecretStore();
    let told = false;
    const done = store.unlock(utf8(PHRASE)).then(() => { told = true; });
    if (n % 2) await new Promise(setImmediate);
    store.lock();
    if (told) continue; // it was unlocked before the lock
    await assert.rejects(done, code('LOCKED'));
    assert.ok(store.locked);
    await store.unlock(utf8(PHRASE));
    assert.ok(!store.locked);
  }
});

test('the store locks itself when it is idle, and keys leave the cache in time', async () => {
  const store = await unlocked(PHRASE, '', { idleTimeout: 30, cacheTtl: 5 });
  const idle = new Promise((resolve) => { store.on('audit', ({ action }) => action === 'idle_lock' && resolve()); });
  await store.derive(IDENTITY);
  const alive = setInterval(() => {}, 1000); // a store does not keep the process alive
  await idle;
  clearInterval(alive);
  assert.ok(store.locked);
  const none = await unlocked(PHRASE, '', { cacheSize: 0 });
  await none.derive(IDENTITY);
  assert.equal(none.status.cached, 0);
  const two = await unlocked(PHRASE, '', { cacheSize: 2, cacheTtl: Infinity });
  for (let n = 0; n < 5; n++) await two.derive(`m/${n}'`);
  assert.equal(two.status.cached, 2);
});

test('seals are counted across stores', async () => {
  const store = await unlocked(PHRASE, '', { sealCounts: { 2: 2 ** 32 - 1, 3: 5 } });
  await store.encrypt(utf8('the last one'));
  const sealed = await store.encrypt(utf8('x'), { version: 3 });
  await assert.rejects(store.encrypt(utf8('x')), (error) => code('RESOURCE_EXHAUSTED')(error) && /version 3/.test(error.message) && error.retryable === false);
  await assert.rejects(store.rotate(sealed, { version: 2 }), code('RESOURCE_EXHAUSTED'));
  assert.deepEqual(store.status.sealCounts, { 2: 2 ** 32, 3: 6 });
});

test('audit events carry what happened, and no value', async () => {
  const store = new SecretStore({ exportable: false });
  const events = [];
  store.on('audit', (event) => events.push(event));
  const begun = Date.now();
  await store.unlock(utf8(`${PHRASE} absurd`)).catch(() => {});
  await store.unlock(utf8(PHRASE));
  const key = await store.derive(IDENTITY);
  await key.sign(utf8('x'));
  await key.exportPrivateKey().catch(() => {});
  await store.password('example.com');
  store.lock();
  await key.sign(utf8('x')).catch(() => {});
  await new Promise(setImmediate);
  const site = store.listenerCount('audit') && events.find((e) => e.path?.startsWith("m/74'/1'"))?.path;
  assert.deepEqual(events.map(({ time, ...event }) => { assert.ok(time instanceof Date && time >= begun - 1 && time <= Date.now() + 1); return event; }), [
    { action: 'unlock', code: 'INVALID_MNEMONIC' }, { action: 'unlock' }, { action: 'derive', path: IDENTITY, type: 'ed25519' },
    { action: 'export', path: IDENTITY, type: 'ed25519', code: 'NOT_EXPORTABLE' }, { action: 'derive', path: site, type: 'aes-256-gcm' },
    { action: 'lock' }, { action: 'sign', path: IDENTITY, type: 'ed25519', code: 'LOCKED' },
  ]);
  store.removeAllListeners();
  const again = once(store, 'audit');
  await store.unlock(utf8(PHRASE));
  assert.equal((await again)[0].action, 'unlock');
  const last = once(store, 'audit');
  store.dispose();
  assert.equal((await last)[0].action, 'lock');
});

test('the last audit event is told before the process ends by itself', () => {
  const script = `
    import { SecretStore } from ${JSON.stringify(new URL('../../lib/index.mjs', import.meta.url).href)};
    const store = new SecretStore();
    await store.create();
    store.on('audit', ({ action }) => console.log(action));
    setTimeout(() => store.lock(), 1); // and then there is nothing to do`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.deepEqual({ status, stdout }, { status: 0, stdout: 'lock\n' }, stderr);
});

test('nothing shows a secret: inspect, JSON, errors', async () => {
  const store = await unlocked(PHRASE, 'TREZOR');
  const key = await store.derive(IDENTITY);
  const seal = await store.derive("m/74'/2'/0'/0'", 'aes-256-gcm');
  const identity = store.identity();
  const secrets = [hex(await key.exportPrivateKey()), Buffer.from(await key.exportPrivateKey()).toString('base64'), hex(await seal.exportPrivateKey()), 'letter advice', 'TREZOR'];
  const shown = [store, key, seal, identity, { store, key }, store.ethereum].flatMap((value) => [inspect(value, { depth: 20, showHidden: true, getters: true }), JSON.stringify(value), String(value)]);
  for (const attempt of [
    () => store.unlock(PHRASE, { passphrase: 'TREZOR' }), () => store.unlock(`${PHRASE} zebra`, { passphrase: 'TREZOR' }), () => store.unlock(PHRASE, 'TREZOR'),
    () => store.unlock({ phrase: PHRASE }), () => store.unlock(PHRASE, { passphrase: ['TREZOR'] }), () => store.derive(PHRASE), () => store.password(PHRASE.repeat(20)),
  ]) await attempt().then(() => assert.fail(`${attempt} did not fail`), (error) => shown.push(inspect(error), error.stack, JSON.stringify(error)));
  for (const text of shown) for (const secret of secrets) assert.ok(!String(text).includes(secret), `shown: ${text}`);
  assert.match(inspect(store), /^SecretStore \{\s+state: 'unlocked'/);
  assert.match(inspect(key), /^SecretKey \{\s+path: "m\/74'\/0'\/0'\/0'"/);
  assert.match(inspect(identity), /^SecretIdentity \{[^]*fingerprint: 'SHA256:/);
});

// A test runner gives each file a context of its own, whose Uint8Array is not ours.
test('bytes of another context are bytes, and its shared memory is refused', async () => {
  const elsewhere = (script) => vm.runInNewContext(script, { text: utf8(PHRASE) });
  const phrase = elsewhere('new Uint8Array(Array.from(text))');
  assert.ok(!(phrase instanceof Uint8Array));
  const store = new SecretStore();
  await store.unlock(phrase);
  assert.ok(zero(phrase), 'it is wiped like ours');
  const key = await store.derive(IDENTITY);
  assert.equal(key.signSync(elsewhere('new Uint8Array(4)')).length, 64);
  assert.throws(() => key.signSync(elsewhere('new Uint8Array(new SharedArrayBuffer(4))')), /SharedArrayBuffer/);
  store.lock();
});

test('wrong arguments are TypeError or RangeError before anything native', async () => {
  const store = await unlocked(PHRASE);
  const key = await store.derive(IDENTITY);
  const shared = new Uint8Array(new SharedArrayBuffer(32));
  const cases = [
    [TypeError, () => new SecretStore(7)], [TypeError, () => new SecretStore({ exportible: true })], [TypeError, () => new SecretStore({ exportable: 1 })],
    [TypeError, () => new SecretStore({ cacheSize: '1' })], [RangeError, () => new SecretStore({ cacheSize: -1 })], [RangeError, () => new SecretStore({ idleTimeout: 0 })],
    [RangeError, () => new SecretStore({ cacheTtl: 0.5 })], [TypeError, () => new SecretStore({ sealCounts: 7 })], [RangeError, () => new SecretStore({ sealCounts: { x: 1 } })],
    [RangeError, () => new SecretStore({ sealCounts: { 2: -1 } })], [RangeError, () => new SecretStore({ sealCounts: { 5e9: 1 } })],
    [TypeError, () => store.unlock()], [TypeError, () => store.unlock([1])], [TypeError, () => store.unlock(new Uint16Array(4))], [TypeError, () => store.unlock(new ArrayBuffer(4))],
    [TypeError, () => store.unlock(shared)], [RangeError, () => store.unlock(new Uint8Array(65_537))], [RangeError, () => store.unlock('x', { passphrase: new Uint8Array(65_537) })],
    [TypeError, () => store.lock(7)], [TypeError, () => store.lock({ disconnect: 1 })],
    [TypeError, () => store.derive()], [TypeError, () => store.derive(7)], [RangeError, () => store.derive('m', 'rsa')], [TypeError, () => store.derive('m', 7)], [TypeError, () => store.derive('m', null)],
    [TypeError, () => store.encrypt('text')], [TypeError, () => store.encrypt(new Uint8Array(1), { Version: 3 })], [RangeError, () => store.encrypt(new Uint8Array(1), { version: 0 })],
    [RangeError, () => store.encrypt(new Uint8Array(1), { version: 2 ** 32 })], [TypeError, () => store.encrypt(shared)], [TypeError, () => store.decrypt()], [TypeError, () => store.decrypt(7)],
    [TypeError, () => store.decrypt(new Uint8Array(8))], [TypeError, () => store.rotate(null)], [TypeError, () => key.sign('text')], [TypeError, () => key.sign(shared)], [TypeError, () => key.seal()],
    [TypeError, () => key.open('x')], [TypeError, () => store.password(7)], [RangeError, () => store.password('')], [RangeError, () => store.password('\ud800')], [RangeError, () => store.password('x'.repeat(1025))],
    [RangeError, () => store.password('a', { length: 3 })], [RangeError, () => store.password('a', { classes: [] })], [RangeError, () => store.password('a', { classes: ['greek'] })],
    [TypeError, () => store.password('a', { classes: 'lower' })], [RangeError, () => store.passwordBytes('a', 0)], [RangeError, () => store.passwordBytes('a', 8161)],
    [RangeError, () => store.ethereum.address({ index: 2 ** 31 })], [TypeError, () => store.ethereum.address({ index: 0, path: 'm' })], [RangeError, () => store.ethereum.signDigest(new Uint8Array(31))],
    [RangeError, () => store.ethereum.signDigest('0x00')], [TypeError, () => store.ethereum.signDigest(7)], [TypeError, () => store.ethereum.signMessage(7)], [TypeError, () => store.ethereum.signTypedData(null)],
    [TypeError, () => store.sshPublicKey({ comment: 7 })], [TypeError, () => store.authToken({ at: 7 })], [TypeError, () => store.authToken({ at: new Date(NaN) })], [TypeError, () => store.identity({ path: 7 })],
    [TypeError, () => store.sshPrivateKey({ passphrase: 7 })], [RangeError, () => generateMnemonic({ words: 13 })], [TypeError, () => generateMnemonic({ words: '12' })],
    [RangeError, () => generateMnemonic({ wordlist: 'klingon' })], [TypeError, () => validateMnemonic(7)], [RangeError, () => store.create({ words: 11 })],
  ];
  for (const [type, attempt] of cases) {
    await assert.rejects(async () => attempt(), (error) => {
      assert.ok(error instanceof type && !(error instanceof AlknetError), `${attempt}: ${inspect(error)}`);
      return true;
    }, String(attempt));
  }
  for (const [attempt, message] of [[() => key.seal(new Uint8Array(1)), /aes-256-gcm/], [() => key.open(new Uint8Array(40)), /aes-256-gcm/],
    [async () => store.deriveSync("m/1'", 'aes-256-gcm').sign(new Uint8Array(1)), /does not sign/], [async () => store.deriveSync('m', 'secp256k1').sign(new Uint8Array(31)), /32 bytes/],
    [() => store.sshPublicKey({ comment: 'a\nb' }), /one line/], [() => store.ethereum.signTypedData({}), /typed data/]]) {
    await assert.rejects(attempt, (error) => code('INVALID_INPUT')(error) && message.test(error.message), String(attempt));
  }
});

test('errors point at the caller', async () => {
  const store = new SecretStore();
  const here = /^AlknetError \[\w+\]: .*\n +at .*secret-store\.test\.mjs/;
  await assert.rejects(store.unlock(utf8('x')), (error) => here.test(error.stack));
  await assert.rejects(store.derive('m'), (error) => here.test(error.stack));
  assert.throws(() => store.deriveSync('m'), (error) => here.test(error.stack));
  assert.throws(() => store.ethereum.signMessageSync('x'), (error) => here.test(error.stack));
});

test('the wallet example does what it says, and leaves nothing behind', { timeout: 60_000 }, () => {
  const tmp = mkdtempSync(path.join(os.tmpdir(), 'alknet-test-'));
  try {
    const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(new URL('../../examples/wallet.mjs', import.meta.url))], { encoding: 'utf8', env: { ...process.env, TMPDIR: tmp } });
    assert.equal(status, 0, stderr);
    for (const line of [/phrase of 24 words, backed up to a file with mode 600/, /derive -> LOCKED/, /unlocked from the backup: the same identity/, /connected over quic/, /opens to sk-example/, /ended with LOCKED/, /audit: unlock, .*lock$/m]) assert.match(stdout, line);
    assert.deepEqual(readdirSync(tmp), []);
  } finally {
    rmSync(tmp, { recursive: true });
  }
});

test('wordlists are those of the engine', () => {
  for (const wordlist of wordlists) {
    assert.equal(validateMnemonic(generateMnemonic({ wordlist })), wordlist);
  }
  assert.ok(Object.isFrozen(wordlists));
});
