// `make bench SUITE=secret`: the secret store beside what a Node.js developer would use
// otherwise. Each row alternates between its columns; medians of REPS repeats. With
// --write it puts the tables into docs/benchmarks.md, between its marks.
import { webcrypto, createPrivateKey, sign as nodeSign, createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { HDKey as Bip32 } from '@scure/bip32';
import { entropyToMnemonic, mnemonicToSeedSync, mnemonicToSeedWebcrypto } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { HDKey as Slip10 } from 'micro-key-producer/slip10.js';
import { HDNodeWallet, Wallet } from 'ethers';
import { SecretStore, version } from '../lib/index.mjs';

const REPS = 7;
const SLICE = 150; // ms that a column runs in one repeat, at least
const page = new URL('../docs/benchmarks.md', import.meta.url);

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const percentile = (list, p) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * p))];
const micros = () => Number(process.hrtime.bigint()) / 1000;

// Every column gets inputs that no earlier run has seen where a cache would help it.
const phrase = () => entropyToMnemonic(webcrypto.getRandomValues(new Uint8Array(16)), wordlist);
const PHRASE = phrase();
const seed = mnemonicToSeedSync(PHRASE);
const store = new SecretStore();
await store.unlock(PHRASE);
const IDENTITY = "m/74'/0'/0'/0'";
const ACCOUNT = "m/44'/60'/0'/0/0";
const key = store.deriveSync(IDENTITY);
const sealing = store.deriveSync("m/74'/2'/0'/0'", 'aes-256-gcm');
const raw = key.exportPrivateKeySync();
const message = randomFillSync(new Uint8Array(32));
const kilobyte = randomFillSync(new Uint8Array(1024));
const nodeKey = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), raw]), format: 'der', type: 'pkcs8' });
const aes = sealing.exportPrivateKeySync();
const webKey = await webcrypto.subtle.importKey('raw', aes, 'AES-GCM', false, ['encrypt', 'decrypt']);
const iv = randomFillSync(new Uint8Array(12));
const sealed = sealing.sealSync(kilobyte, { wipe: false });
const webSealed = new Uint8Array(await webcrypto.subtle.encrypt({ name: 'AES-GCM', iv }, webKey, kilobyte));
const wallet = new Wallet(`0x${Buffer.from(store.deriveSync(ACCOUNT, 'secp256k1').exportPrivateKeySync()).toString('hex')}`);
const master = HDNodeWallet.fromSeed(seed);
let n = 0;

const ROWS = [
  ['unlock: phrase to seed (PBKDF2, 2,048 rounds), and lock', {
    alknet: async () => { const s = new SecretStore(); await s.unlock(PHRASE); s.dispose(); },
    '@scure/bip39': () => mnemonicToSeedSync(PHRASE),
    '@scure/bip39 with WebCrypto': () => mnemonicToSeedWebcrypto(PHRASE),
  }],
  ['derive Ed25519, cold, 4 levels', {
    alknet: () => store.deriveSync(`m/74'/0'/0'/${n++}'`),
    'micro-key-producer': () => Slip10.fromMasterSeed(seed).derive(`m/74'/0'/0'/${n++}'`, true).publicKeyRaw,
  }],
  ['derive Ed25519, cached', { alknet: () => store.deriveSync(IDENTITY) }],
  ['derive secp256k1, cold, 5 levels', {
    alknet: () => store.deriveSync(`m/44'/60'/0'/0/${n++}`, 'secp256k1'),
    '@scure/bip32': () => Bip32.fromMasterSeed(seed).derive(`m/44'/60'/0'/0/${n++}`).publicKey,
    ethers: () => master.derivePath(`m/44'/60'/0'/0/${n++}`).publicKey,
  }],
  ['sign Ed25519, 32 bytes', {
    alknet: () => key.signSync(message),
    '@noble/curves': () => ed25519.sign(message, raw),
    'node:crypto (OpenSSL)': () => nodeSign(null, message, nodeKey),
  }],
  ['sign Ed25519, awaited', { alknet: () => key.sign(message), '@noble/curves': async () => ed25519.sign(message, raw) }],
  ['seal 1 KB', {
    alknet: () => sealing.sealSync(kilobyte, { wipe: false }),
    WebCrypto: () => webcrypto.subtle.encrypt({ name: 'AES-GCM', iv: randomFillSync(new Uint8Array(12)) }, webKey, kilobyte),
    'node:crypto (OpenSSL)': () => {
      const cipher = createCipheriv('aes-256-gcm', aes, randomFillSync(new Uint8Array(12)));
      return Buffer.concat([cipher.update(kilobyte), cipher.final(), cipher.getAuthTag()]);
    },
  }],
  ['open 1 KB', {
    alknet: () => sealing.openSync(sealed),
    WebCrypto: () => webcrypto.subtle.decrypt({ name: 'AES-GCM', iv }, webKey, webSealed),
    'node:crypto (OpenSSL)': () => {
      const decipher = createDecipheriv('aes-256-gcm', aes, iv);
      decipher.setAuthTag(webSealed.subarray(-16));
      return Buffer.concat([decipher.update(webSealed.subarray(0, -16)), decipher.final()]);
    },
  }],
  ['sign an Ethereum message (EIP-191)', {
    alknet: () => store.ethereum.signMessageSync('hello'),
    ethers: () => wallet.signMessageSync('hello'),
  }],
];

/** Runs one column for a slice of time; microseconds for each operation. */
async function measure(operation) {
  const first = operation();
  const asynchronous = first instanceof Promise;
  await first;
  let count = 0;
  const begin = micros();
  let now = begin;
  while (now - begin < SLICE * 1000) {
    for (let i = 0; i < 8; i++, count++) {
      if (asynchronous) await operation();
      else operation();
    }
    now = micros();
  }
  return (now - begin) / count;
}

const lines = [];
const print = (line) => { lines.push(line); console.log(line); };
const time = (us) => (us >= 1000 ? `${(us / 1000).toFixed(2)} ms` : `${us.toFixed(us < 10 ? 2 : 1)} µs`);

print(`Measured with \`make bench SUITE=secret\`: medians of ${REPS} repeats of ${SLICE} ms each, the columns of a row in turn. ${os.cpus().length} × ${os.cpus()[0].model}, Linux ${os.release()}, Node.js ${process.version}, alknet ${version},`);
print(`load ${os.loadavg()[0].toFixed(1)} before the run, ${new Date().toISOString().slice(0, 10)}. The ratio says how many times as long the other takes.\n`);
print('| operation | alknet | other | ratio |\n| --- | ---: | --- | ---: |');
for (const [row, columns] of ROWS) {
  const results = Object.fromEntries(Object.keys(columns).map((name) => [name, []]));
  for (let rep = 0; rep < REPS; rep++) for (const [name, operation] of Object.entries(columns)) results[name].push(await measure(operation));
  const mine = median(results.alknet);
  const others = Object.keys(columns).filter((name) => name !== 'alknet');
  for (const [i, other] of (others.length ? others : [undefined]).entries()) {
    const theirs = other && median(results[other]);
    print(`| ${i ? '' : row} | ${i ? '' : time(mine)} | ${other ? `${other}: ${time(theirs)}` : '–'} | ${other ? (theirs / mine).toFixed(theirs / mine < 10 ? 2 : 0) : '–'} |`);
  }
}

// How late the event loop is while 50 stores unlock, beside a loop that only waits.
const phrases = Array.from({ length: 50 }, () => phrase());
async function delay(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await new Promise((resolve) => setTimeout(resolve, 3)); // it measures from its second tick on
  const begin = micros();
  await work();
  const took = (micros() - begin) / 1000;
  await new Promise((resolve) => setTimeout(resolve, 10)); // what blocked the loop is recorded after it
  histogram.disable();
  return { p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6, took };
}

const works = {
  'alknet: 50 stores unlock at once': async () => {
    const stores = phrases.map(() => new SecretStore());
    await Promise.all(stores.map((s, i) => s.unlock(phrases[i])));
    for (const s of stores) s.dispose();
  },
  '@scure/bip39 with WebCrypto: 50 seeds at once': () => Promise.all(phrases.map((p) => mnemonicToSeedWebcrypto(p))),
  '@scure/bip39: 50 seeds': () => { for (const p of phrases) mnemonicToSeedSync(p); },
  'nothing, for 100 ms': () => new Promise((resolve) => setTimeout(resolve, 100)),
};
print('\nDelay of the event loop (`monitorEventLoopDelay`, resolution 1 ms, so an idle loop shows about 1 ms), medians of 15 repeats, largest p99 in brackets:\n');
print('| work | takes | delay p99 | delay max |\n| --- | ---: | ---: | ---: |');
const delays = Object.fromEntries(Object.keys(works).map((name) => [name, []]));
for (let rep = 0; rep < 15; rep++) for (const [name, work] of Object.entries(works)) if (rep < 3 || !/bip39: /.test(name)) delays[name].push(await delay(work));
for (const [name, list] of Object.entries(delays)) {
  const of = (what) => list.map((d) => d[what]);
  print(`| ${name} | ${median(of('took')).toFixed(0)} ms | ${median(of('p99')).toFixed(1)} ms (${percentile(of('p99'), 1).toFixed(1)}) | ${median(of('max')).toFixed(1)} ms |`);
}

if (process.argv.includes('--write')) {
  const begin = '<!-- A run of bench-secret begins here. -->\n';
  const end = '<!-- The run of bench-secret ends here. -->\n';
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page.pathname}: the marks of a run are missing`);
  writeFileSync(page, `${text.slice(0, from + begin.length)}${lines.join('\n')}\n${text.slice(to)}`);
}
