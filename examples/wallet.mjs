// A wallet in one phrase: create it, back it up, and use its keys without ever holding
// one. `node examples/wallet.mjs`; it leaves nothing behind.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SecretStore, connect, serve } from '../lib/index.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'alknet-wallet-'));
const backup = path.join(folder, 'phrase');
const say = (text) => console.log(`  wallet  ${text}`);
const text = (bytes) => Buffer.from(bytes).toString();

async function main() {
  const secrets = new SecretStore({ exportable: false });
  const events = [];
  secrets.on('audit', ({ action, code }) => events.push(code ? `${action} (${code})` : action));

  const phrase = await secrets.create({ words: 24 });
  const words = phrase.filter((byte) => byte === 0x20).length + 1; // no string of it, which could not be wiped
  // A person writes the words down. A machine that must start by itself keeps them in a
  // file of its own, as here.
  writeFileSync(backup, phrase, { mode: 0o600, flag: 'wx' });
  phrase.fill(0);
  say(`a new phrase of ${words} words, backed up to a file with mode ${(statSync(backup).mode & 0o777).toString(8)}`);
  say(`its keys lie in ${secrets.status.memory === 'locked' ? 'locked memory' : 'memory that may be swapped'}, and cannot be exported`);

  const before = (await secrets.derive("m/74'/0'/0'/0'")).publicKey;
  secrets.lock();
  say('locked: seed and keys are wiped');
  await secrets.derive("m/74'/0'/0'/0'").catch(({ code, message }) => say(`derive -> ${code}: ${message}`));

  const restored = readFileSync(backup);
  await secrets.unlock(restored); // wipes it
  const identity = secrets.identity();
  const same = Buffer.compare(before, (await secrets.derive(identity.path)).publicKey) === 0;
  say(`unlocked from the backup: ${same ? 'the same' : 'another'} identity, ${identity.fingerprint}`);

  // A head that knows the public key, and a connection that proves the private one.
  const head = await serve({ listen: '127.0.0.1:0', authorizedKeys: [identity.publicKey] });
  const node = await connect(head.address, { identity });
  say(`connected over ${node.transport} as ${node.identity.id}, signed for in the store`);

  const apiKey = Buffer.from('sk-example-0123456789');
  const sealed = await secrets.encrypt(apiKey); // wipes it
  say(`sealed an API key with key version ${sealed.key_version}: ${sealed.data}`);
  const rotated = await secrets.rotate(sealed, { version: 3 });
  const opened = await secrets.decrypt(rotated);
  say(`rotated to version ${rotated.key_version}; it opens to ${text(opened)}`);
  opened.fill(0);

  say(`the Ethereum account ${await secrets.ethereum.address()}`);
  say(`signed "hello": ${await secrets.ethereum.signMessage('hello')}`);

  const closed = new Promise((resolve) => { node.once('close', resolve); });
  secrets.lock({ disconnect: true });
  say(`locked and disconnected: the connection ended with ${(await closed).code}`);
  await head.close();
  secrets.dispose();
  say(`audit: ${events.join(', ')}`);
}

try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
