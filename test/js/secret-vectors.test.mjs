// The vectors, through JavaScript. Those that begin with a raw seed or key cannot go
// in, since the API takes neither: secret-agreement.test.mjs shows that the libraries
// which it compares with pass them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HDKey } from '@scure/bip32';
import { SecretStore, validateMnemonic } from '../../lib/index.mjs';
import { code, hex, unlocked, utf8, vectors, PHRASE } from './fixtures/secrets.mjs';

test('BIP-39: every phrase gives the root key of its vector', async () => {
  const { vectors: all } = vectors('bip39-english');
  assert.equal(all.length, 12);
  for (const { id, mnemonic, passphrase, bip32_root_xprv: xprv } of all) {
    assert.equal(validateMnemonic(mnemonic), 'english', id);
    const store = await unlocked(mnemonic, passphrase);
    const root = await store.derive('m', 'secp256k1');
    const want = HDKey.fromExtendedKey(xprv);
    assert.equal(hex(await root.exportPrivateKey()), hex(want.privateKey), id);
    assert.equal(hex(root.publicKey), hex(want.publicKey), id);
  }
});

test('SLIP-0010 keys at the paths of the project', async () => {
  const { vectors: all } = vectors('derive');
  let count = 0;
  for (const { id, mnemonic, passphrase, keys } of all) {
    const store = await unlocked(mnemonic, passphrase);
    for (const want of keys) {
      const key = await store.derive(want.path);
      assert.deepEqual([key.path, key.type], [want.path, 'ed25519']);
      assert.equal(hex(await key.exportPrivateKey()), want.private_key, `${id} ${want.path}`);
      assert.equal(hex(key.publicKey), want.public_key, `${id} ${want.path}`);
      count++;
    }
  }
  assert.equal(count, 24);
});

test('Ethereum accounts', async () => {
  const { vectors: all } = vectors('ethereum');
  assert.equal(all.length, 6);
  for (const want of all) {
    const store = await unlocked(want.mnemonic, want.passphrase);
    const key = await store.derive(want.path, 'secp256k1');
    assert.equal(hex(await key.exportPrivateKey()), want.private_key, want.id);
    assert.equal(hex(key.publicKey), want.public_key, want.id);
    assert.equal(await store.ethereum.address({ path: want.path }), want.address, want.id);
  }
});

test('EncryptedData opens, and the sealing keys are at their paths', async () => {
  const file = vectors('encrypted-data');
  assert.equal(file.vectors.length, 5);
  const store = await unlocked(file.mnemonic, file.passphrase);
  for (const v of file.vectors) {
    assert.equal(hex(await store.decrypt(v.encrypted)), v.plaintext_hex, v.id);
    assert.equal(hex(store.decryptSync(JSON.stringify(v.encrypted))), v.plaintext_hex, v.id);
    assert.equal(hex(await (await store.derive(v.path, 'aes-256-gcm')).exportPrivateKey()), v.key, v.id);
    const rotated = await store.rotate(v.encrypted, { version: 7 });
    assert.equal(rotated.key_version, 7);
    assert.equal(hex(await store.decrypt(rotated)), v.plaintext_hex, v.id);
  }
});

test('failures to decrypt cannot be told from each other', async () => {
  const file = vectors('encrypted-data');
  assert.equal(file.tampered.length, 4);
  const store = await unlocked(file.mnemonic, file.passphrase);
  const good = file.vectors[2].encrypted;
  const cut = (field, bytes) => ({ ...good, [field]: Buffer.from(good[field], 'base64').subarray(0, bytes).toString('base64') });
  const bad = [
    ...file.tampered.map((t) => t.encrypted), cut('data', 0), cut('data', 15), cut('data', 16), cut('data', 30), cut('iv', 0), cut('iv', 11),
    { ...good, iv: Buffer.alloc(16).toString('base64') }, { ...good, data: Buffer.alloc(100_000).toString('base64') },
  ];
  const seen = new Set();
  const tell = (error) => Boolean(seen.add(JSON.stringify([error.name, error.code, error.message, error.retryable, Object.keys(error), error.cause])));
  for (const data of bad) {
    await store.decrypt(data).then(() => assert.fail('opened'), tell);
    await store.rotate(data).then(() => assert.fail('opened'), tell);
    assert.throws(() => store.decryptSync(data), tell);
  }
  const key = await store.derive("m/74'/2'/0'/1'", 'aes-256-gcm');
  const sealed = await key.seal(utf8('x'));
  for (const data of [sealed.slice(0, -1), sealed.slice(0, 11), new Uint8Array(0), new Uint8Array(28), new Uint8Array(200_000), sealed.map((b, i) => (i === 13 ? b ^ 1 : b))]) {
    await key.open(data).then(() => assert.fail('opened'), tell);
    assert.throws(() => key.openSync(data), tell);
  }
  assert.deepEqual([...seen].map((text) => JSON.parse(text)[1]), ['DECRYPTION_FAILED'], [...seen].join('\n'));
});

test('what is no EncryptedData, and versions that have no key', async () => {
  const store = await unlocked(PHRASE);
  const good = await store.encrypt(utf8('x'));
  const text = JSON.stringify(good);
  const malformed = [
    '', '{', 'null', '[]', text.replace('{', '{"extra":1,'), text.replace('{', '{"key_version":2,'), text.replace('"salt"', '"Salt"'), text.slice(0, -1), `${text} x`,
    { ...good, iv: undefined }, { ...good, iv: 7 }, { ...good, iv: `${good.iv}=` }, { ...good, data: `${good.data}\n` }, { ...good, data: good.data.replaceAll('=', '') },
    { ...good, key_version: '2' }, { ...good, key_version: -1 }, { ...good, key_version: 2 ** 32 }, { ...good, key_version: 1.5 },
  ];
  for (const data of malformed) await assert.rejects(store.decrypt(data), code('INVALID_INPUT'), JSON.stringify(data));
  for (const key_version of [0, 2 ** 31 + 2, 2 ** 32 - 1]) await assert.rejects(store.decrypt({ ...good, key_version }), code('UNKNOWN_KEY_VERSION'));
  await assert.rejects(store.encrypt(utf8('x'), { version: 2 ** 32 - 1 }), code('UNKNOWN_KEY_VERSION'));
  await assert.rejects(store.rotate(good, { version: 2 ** 32 - 1 }), code('UNKNOWN_KEY_VERSION'));
});

test('phrases that are none say what is wrong, by its position', async () => {
  const words = PHRASE.split(' ');
  const unlock = async (phrase) => {
    const store = new SecretStore();
    await store.unlock(utf8(phrase)).finally(() => assert.ok(store.locked));
  };
  const cases = [
    [[...words.slice(0, 11), 'absurd'], /checksum fails/],
    [[...words.slice(0, 4), 'amuont', ...words.slice(5)], /^word 5 is not in any wordlist$/],
    [[...words.slice(0, 4), 'abaco', ...words.slice(5)], /^word 5 is not in the english wordlist/],
    [[...words, 'absurd'], /12, 15, 18, 21 or 24 words, not 13/],
    [words.slice(0, 11), /not 11/], [[], /not 0/],
  ];
  validateMnemonic(PHRASE.toUpperCase()); // as it may stand on paper
  for (const [list, message] of cases) {
    const phrase = list.join(' ');
    for (const attempt of [() => unlock(phrase), async () => validateMnemonic(phrase)]) {
      await assert.rejects(attempt, (error) => {
        assert.equal(error.code, 'INVALID_MNEMONIC');
        assert.match(error.message, message);
        for (const word of list) assert.ok(word === 'english' || !` ${error.message} ${error.stack} `.includes(` ${word} `), `the error has the word ${word}`);
        return true;
      });
    }
  }
});

test('paths, hardened and not, for each type of key', async () => {
  const store = await unlocked(PHRASE);
  for (const path of ['', 'm/', '/0', "m//0'", "m/00'", "m/01'", "m/2147483648'", "m/0''", "m/0'h", 'm/-1', 'm/ 0', 'm/x', 'M/0', "m/0'/", `m${"/0'".repeat(17)}`, "m/0'\n", 'm/1e3', "m/٣'"]) {
    for (const type of ['ed25519', 'secp256k1', 'aes-256-gcm']) await assert.rejects(store.derive(path, type), code('INVALID_PATH'), path);
  }
  for (const type of ['ed25519', 'aes-256-gcm']) await assert.rejects(store.derive("m/74'/0/0'/0'", type), code('INVALID_PATH'));
  const loose = await store.derive("m/44'/60'/0'/0/0", 'secp256k1');
  const hard = await store.derive("m/44'/60'/0'/0'/0'", 'secp256k1');
  assert.notEqual(hex(loose.publicKey), hex(hard.publicKey));
  assert.equal((await store.derive('m/1h/2H/3\'')).path, "m/1'/2'/3'");
  assert.equal((await store.derive(`m${"/0'".repeat(16)}`)).path.length, 49);
});
