// The store beside programs and libraries that nobody here wrote: 500 random phrases,
// paths and values each, from fixed seeds.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createPublicKey, createHash, verify, webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { HDKey as Bip32 } from '@scure/bip32';
import { entropyToMnemonic, mnemonicToSeedSync, mnemonicToSeedWebcrypto, validateMnemonic as scureValidates } from '@scure/bip39';
import { HDKey as Slip10 } from 'micro-key-producer/slip10.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { TypedDataEncoder, Wallet, computeAddress } from 'ethers';
import { SecretStore, generateMnemonic, validateMnemonic, wordlists } from '../../lib/index.mjs';
import { PHRASE, Random, hex, unlocked, utf8, vectors } from './fixtures/secrets.mjs';

const COUNT = 500;
const folder = mkdtempSync(path.join(os.tmpdir(), 'alknet-secret-'));
after(() => rmSync(folder, { recursive: true }));

const lists = {};
before(async () => {
  const names = { chinese_simplified: 'simplified-chinese', chinese_traditional: 'traditional-chinese' };
  for (const name of wordlists) lists[name] = (await import(`@scure/bip39/wordlists/${names[name] ?? name}.js`)).wordlist;
});

// Letters that NFKD changes, and some that it does not.
const PASSPHRASES = ['', '', 'TREZOR', 'pässwörd', 'e\u0301\u00e9', '㍍ガバヴァぱばぐゞちぢ十人十色', '\u{1f511} key', ' leading and trailing '];

test('the libraries pass the vectors that begin with a seed', () => {
  for (const { seed, chain } of vectors('slip10-ed25519').vectors) {
    for (const step of chain) {
      const key = Slip10.fromMasterSeed(Buffer.from(seed, 'hex')).derive(step.path, true);
      assert.deepEqual([hex(key.privateKey), hex(key.publicKeyRaw)], [step.private_key, step.public_key]);
    }
  }
  for (const { seed, chain } of vectors('bip32-secp256k1').vectors) {
    for (const step of chain) {
      const key = Bip32.fromMasterSeed(Buffer.from(seed, 'hex')).derive(step.path.replaceAll('h', "'"));
      assert.deepEqual([hex(key.privateKey), hex(key.publicKey)], [step.private_key, step.public_key]);
    }
  }
});

test(`${COUNT} phrases of every list and length: @scure/bip39, @scure/bip32 and micro-key-producer derive the same keys`, async () => {
  const random = new Random('phrases');
  for (let n = 0; n < COUNT; n++) {
    const list = wordlists[n % wordlists.length];
    const entropy = random.bytes(random.pick([16, 20, 24, 28, 32]));
    const phrase = entropyToMnemonic(entropy, lists[list]);
    const passphrase = random.pick(PASSPHRASES);
    const seed = await mnemonicToSeedWebcrypto(phrase, passphrase);
    if (n % 25 === 0) assert.equal(hex(mnemonicToSeedSync(phrase, passphrase)), hex(seed));
    // NFC and NFKD, any white space: the same words.
    const given = n % 2 ? phrase.normalize('NFC') : `\n ${phrase.normalize('NFKD').split(/\s+/u).join('\t  ')} `;
    assert.equal(validateMnemonic(given), list);
    const store = await unlocked(given, passphrase);
    const hardened = random.path(true);
    const slip = Slip10.fromMasterSeed(seed).derive(hardened.replaceAll(/[hH]/g, "'"), true);
    const key = await store.derive(hardened);
    assert.deepEqual([hex(await key.exportPrivateKey()), hex(key.publicKey)], [hex(slip.privateKey), hex(slip.publicKeyRaw)], `${n} ${hardened}`);
    const loose = random.path(false);
    const bip = Bip32.fromMasterSeed(seed).derive(loose.replaceAll(/[hH]/g, "'"));
    const wallet = await store.derive(loose, 'secp256k1');
    assert.deepEqual([hex(await wallet.exportPrivateKey()), hex(wallet.publicKey)], [hex(bip.privateKey), hex(bip.publicKey)], `${n} ${loose}`);
    store.dispose();
  }
});

test(`@scure/bip39 takes ${COUNT} phrases that the store makes`, async () => {
  for (let n = 0; n < COUNT; n++) {
    const wordlist = wordlists[n % wordlists.length];
    const words = [12, 15, 18, 21, 24][n % 5];
    const phrase = Buffer.from(n % 50 ? generateMnemonic({ words, wordlist }) : await new SecretStore().create({ words, wordlist })).toString();
    assert.ok(scureValidates(phrase, lists[wordlist]), wordlist);
    assert.equal(phrase.split(/[ \u3000]/).length, words);
  }
});

test(`@noble/curves makes the same ${COUNT} Ed25519 signatures, and Node verifies tokens`, async () => {
  const random = new Random('ed25519');
  const store = await unlocked(PHRASE);
  for (let n = 0; n < COUNT; n++) {
    const key = store.deriveSync(random.path(true));
    const message = random.bytes(random.int(300));
    const signature = n % 2 ? key.signSync(message) : await key.sign(message);
    assert.equal(hex(signature), hex(ed25519.sign(message, key.exportPrivateKeySync())));
    const spki = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(key.publicKey).toString('base64url') }, format: 'jwk' });
    assert.ok(verify(null, message, spki, signature));
    // AuthToken, as the vectors describe it.
    const seconds = random.int(2 ** 40);
    const token = store.authTokenSync({ path: key.path, at: new Date(seconds * 1000 + 999) });
    const raw = Buffer.from(token, 'base64url');
    assert.equal(raw.toString('base64url'), token);
    assert.deepEqual([raw.length, hex(raw.subarray(0, 32)), raw.readBigUInt64BE(32)], [104, createHash('sha256').update(key.publicKey).digest('hex'), BigInt(seconds)]);
    assert.ok(verify(null, raw.subarray(0, 40), spki, raw.subarray(40)));
  }
});

/** Random typed data: every kind of type, nested. */
function typedData(random) {
  const value = {
    address: () => `0x${hex(random.bytes(20))}`, bool: () => random.int(2) === 1, string: () => `text ${random.int(1e6)} é`,
    bytes: () => `0x${hex(random.bytes(random.int(70)))}`, bytes7: () => `0x${hex(random.bytes(7))}`, bytes32: () => `0x${hex(random.bytes(32))}`,
    uint8: () => random.int(256), uint256: () => BigInt(`0x${hex(random.bytes(32))}`), int64: () => -BigInt(random.int(2 ** 40)), int256: () => random.int(1000) - 500,
  };
  const kinds = Object.keys(value);
  const types = { Leaf: [], Inner: [{ name: 'leaf', type: 'Leaf' }], Outer: [{ name: 'inner', type: 'Inner' }, { name: 'leaves', type: 'Leaf[]' }, { name: 'pairs', type: 'Leaf[2][]' }] };
  for (const name of Object.keys(types)) {
    for (let n = 1 + random.int(5); n > 0; n--) types[name].push({ name: `f${n}`, type: random.pick(kinds) + random.pick(['', '', '[]', '[3]']) });
  }
  const of = (type) => {
    const array = /^(.*)\[(\d*)\]$/.exec(type);
    if (array) return Array.from({ length: array[2] ? Number(array[2]) : random.int(4) }, () => of(array[1]));
    return types[type] ? Object.fromEntries(types[type].map((f) => [f.name, of(f.type)])) : value[type]();
  };
  const domain = { name: 'Test', version: '1', chainId: random.int(1000), verifyingContract: value.address(), salt: value.bytes32() };
  for (const name of Object.keys(domain)) if (random.int(2)) delete domain[name];
  if (Object.keys(domain).length === 0) domain.name = 'x';
  return { types, domain, message: of('Outer') };
}

test(`ethers: ${COUNT} addresses, messages (EIP-191) and typed data (EIP-712)`, async () => {
  const random = new Random('ethereum');
  const store = await unlocked(PHRASE);
  for (let n = 0; n < COUNT; n++) {
    const options = n % 2 ? { index: random.int(2 ** 31) } : { path: random.path(false) };
    const key = store.deriveSync(options.path ?? `m/44'/60'/0'/0/${options.index}`, 'secp256k1');
    const wallet = new Wallet(`0x${hex(key.exportPrivateKeySync())}`);
    const address = store.ethereum.addressSync(options);
    assert.equal(address, computeAddress(`0x${hex(key.publicKey)}`));
    const message = random.bytes(random.int(200));
    const signature = await store.ethereum.signMessage(message, options);
    assert.equal(signature, wallet.signMessageSync(message)); // both are deterministic (RFC 6979)
    const { types, domain, message: value } = typedData(random);
    const payload = TypedDataEncoder.getPayload(domain, types, value);
    const digest = TypedDataEncoder.hash(domain, types, value);
    const typed = await store.ethereum.signTypedData(n % 2 ? payload : { types: payload.types, primaryType: 'Outer', domain, message: value }, options);
    assert.equal(typed, store.ethereum.signDigestSync(digest, options));
    assert.equal(typed, await wallet.signTypedData(domain, types, value));
    const raw = key.signSync(Buffer.from(digest.slice(2), 'hex'));
    assert.equal(`0x${hex(raw.subarray(0, 64))}${hex([raw[64] + 27])}`, typed);
  }
});

test(`WebCrypto opens ${COUNT} values that the store sealed, and the other way round`, async () => {
  const random = new Random('aes');
  const store = await unlocked(PHRASE);
  for (let n = 0; n < COUNT; n++) {
    const version = 1 + random.int(n % 2 ? 2 ** 31 : 40);
    const k = Math.max(0, version - 2);
    const exported = store.deriveSync(`m/74'/2'/0'/${k}'`, 'aes-256-gcm').exportPrivateKeySync();
    const key = await webcrypto.subtle.importKey('raw', exported, 'AES-GCM', false, ['encrypt', 'decrypt']);
    const plaintext = random.bytes(random.int(n % 50 ? 500 : 200_000));
    const sealed = await store.encrypt(plaintext.slice(), { version });
    const iv = Buffer.from(sealed.iv, 'base64');
    assert.deepEqual([sealed.key_version, iv.length, Buffer.from(sealed.salt, 'base64').length], [version, 12, 32]);
    const opened = await webcrypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, Buffer.from(sealed.data, 'base64'));
    assert.equal(Buffer.compare(Buffer.from(opened), plaintext), 0);
    const nonce = random.bytes(12);
    const theirs = Buffer.from(await webcrypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce }, key, plaintext));
    const ours = await store.decrypt({ key_version: version, salt: '', iv: Buffer.from(nonce).toString('base64'), data: theirs.toString('base64') });
    assert.equal(Buffer.compare(ours, plaintext), 0);
  }
});

const run = promisify(execFile);

test(`ssh-keygen reads ${COUNT} exported keys`, async () => {
  const random = new Random('ssh');
  const store = await unlocked(PHRASE);
  const one = async (n) => {
    const options = { path: random.path(true), comment: n % 2 ? `key ${n} é` : '' };
    const file = path.join(folder, `key${n}`);
    writeFileSync(file, await store.sshPrivateKey(options), { mode: 0o600 });
    const { stdout } = await run('ssh-keygen', ['-y', '-P', '', '-f', file]);
    const [type, blob, ...comment] = (await store.sshPublicKey(options)).split(' ');
    assert.equal(stdout.trim(), [type, blob, ...comment].join(' '));
  };
  for (let n = 0; n < COUNT; n += 10) await Promise.all(Array.from({ length: 10 }, (_, i) => one(n + i)));
});

test('ssh-keygen reads protected keys, signs with them, and verifies it by the public one', async () => {
  const store = await unlocked(PHRASE);
  for (const [n, passphrase] of ['correct horse', 'pässwörd \u{1f511}', 'x'.repeat(200)].entries()) {
    const options = { path: `m/74'/0'/0'/${n}'`, comment: 'me' };
    const file = path.join(folder, `protected${n}`);
    writeFileSync(file, await store.sshPrivateKey({ ...options, passphrase: utf8(passphrase) }), { mode: 0o600 });
    const publicKey = await store.sshPublicKey(options);
    assert.equal(execFileSync('ssh-keygen', ['-y', '-P', passphrase, '-f', file], { encoding: 'utf8' }).trim(), publicKey);
    assert.throws(() => execFileSync('ssh-keygen', ['-y', '-P', 'wrong', '-f', file], { stdio: 'pipe' }), /incorrect passphrase/);
    execFileSync('ssh-keygen', ['-p', '-P', passphrase, '-N', '', '-f', file], { stdio: 'pipe' });
    const message = path.join(folder, `message${n}`);
    writeFileSync(message, `message ${n}`);
    execFileSync('ssh-keygen', ['-Y', 'sign', '-n', 'test', '-f', file, message], { stdio: 'pipe' });
    writeFileSync(path.join(folder, 'allowed'), `me ${publicKey}\n`);
    const verified = execFileSync('ssh-keygen', ['-Y', 'verify', '-n', 'test', '-I', 'me', '-f', path.join(folder, 'allowed'), '-s', `${message}.sig`], { input: `message ${n}`, encoding: 'utf8' });
    assert.match(verified, /^Good "test" signature/);
  }
});
