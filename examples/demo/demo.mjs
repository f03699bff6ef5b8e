// `make demo`: a head, a worker and a client, each a process of its own, with fresh
// keys in a temporary folder, and what they say to each other.
import { execFileSync, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connect } from '../../lib/index.mjs';
import { startWorker, stopWorker } from '../agent/workers.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const binary = path.join(here, '..', '..', 'bin', 'alknet');
const folder = mkdtempSync(path.join(os.tmpdir(), 'alknet-demo-'));
const file = (name) => path.join(folder, name);
const children = [];
const workers = []; // of the binary

const title = (text) => console.log(`\n${text}`);
const say = (who, text) => console.log(`  ${who.padEnd(7)} ${text}`);
const alknet = (...args) => execFileSync(binary, ['--home', folder, ...args], { encoding: 'utf8' });

function start(script, ...args) {
  const child = fork(path.join(here, script), args);
  children.push(child);
  return child;
}

async function message(child) {
  const failed = once(child, 'exit').then(([code]) => { throw new Error(`a process of the demo ended with ${code}`); });
  failed.catch(() => {});
  const [told] = await Promise.race([once(child, 'message'), failed]);
  return told;
}

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return `${error.code}: ${error.message}`;
  }
  throw new Error('this should have been refused');
}

async function main() {
  title('Keys');
  for (const [name, scopes] of [
    ['worker', 'worker,node:register:dev1'], ['client', 'math,agent'], ['files', 'node:register:files'], ['shell', 'node:register:shell'],
  ]) {
    const { publicKey, fingerprint } = JSON.parse(alknet('key', 'generate', '--json', '--comment', name, file(name)));
    alknet('authorize', publicKey, '--scopes', scopes);
    say(name, `${fingerprint}, authorized with ${scopes}`);
  }
  alknet('key', 'generate', file('head'));

  title('Head');
  const head = start('head.mjs', file('head'), file('authorized_keys'));
  const { address, fingerprint } = await message(head);
  say('head', `listens at ${address}`);
  say('head', `has the key ${fingerprint}`);

  title('Worker');
  const worker = start('worker.mjs', address, file('worker'));
  const { transport } = await message(worker);
  say('worker', `connected over ${transport}; has joined as dev1, with /worker/hash and /worker/progress`);

  title('Client');
  const node = await connect(address, { key: file('client') });
  say('client', `connected over ${node.transport} as ${node.identity.id}`);
  say('client', `may call ${(await node.services()).map((s) => s.name).join(' ')}`);
  say('client', `/math/add {a: 40, b: 2} -> ${await node.call('/math/add', { a: 40, b: 2 })}`);
  say('client', `/dev1/worker/hash "hello" -> ${await node.call('/dev1/worker/hash', 'hello')}`);
  say('client', `/work/hash "hello" -> the same: ${await node.call('/work/hash', 'hello') === await node.call('/dev1/worker/hash', 'hello')} (a handler of the head asked the worker)`);
  const steps = [];
  for await (const { step } of node.subscribe('/work/progress', { steps: 5 })) steps.push(step);
  await message(worker);
  say('client', `/work/progress {steps: 5} -> ${steps.join(' ')}`);
  let seen = 0;
  const ended = message(worker);
  for await (const { step } of node.subscribe('/work/progress', { steps: 1e9 })) if ((seen = step) === 1000) break;
  say('client', `/work/progress {steps: 1000000000} -> stopped after ${seen}`);
  say('worker', (await ended).event);
  say('client', `/admin/secret -> ${await refused(node.call('/admin/secret'))}`);
  say('client', `/math/add {a: 1} -> ${await refused(node.call('/math/add', { a: 1 }))}`);

  title('An agent on the head, with two workers of the binary');
  for (const name of ['files', 'shell']) {
    const started = await startWorker(name, address, file(name));
    workers.push(started);
    say(name, `offers ${started.operations.map(({ name: operation, scopes }) => `${operation} (needs ${scopes})`).join(', ')}`);
  }
  for (const { name, lines: l, words } of await node.call('/agent/report')) say('agent', `${name}: ${l} lines, ${words} words (read by files, counted by wc on shell)`);
  for (const [operation, code] of Object.entries(await node.call('/agent/tempted'))) say('agent', `tried ${operation} -> ${code}`);
  say('client', `/files/fs/read {path: "monday.txt"} -> ${await refused(node.call('/files/fs/read', { path: 'monday.txt' }))}`);
  say('$', `alknet nodes ${address}`);
  for (const line of alknet('nodes', address, '--key', file('client')).trim().split('\n')) say('', line);

  title('The binary, against the same head');
  say('$', `alknet call ${address} /math/add '{"a":1,"b":2}'`);
  say('', alknet('call', address, '/math/add', '{"a":1,"b":2}', '--key', file('client')).trim());
  say('$', `alknet subscribe ${address} /clock/ticks '{"interval":20,"count":2}'`);
  for (const line of alknet('subscribe', address, '/clock/ticks', '{"interval":20,"count":2}', '--key', file('client')).trim().split('\n')) say('', line);

  title('A wallet: every key from one phrase');
  process.stdout.write(execFileSync(process.execPath, [path.join(here, '..', 'wallet.mjs')], { encoding: 'utf8' }));

  title('The end');
  await node.close();
  for (const started of workers.splice(0)) await stopWorker(started);
  for (const child of [worker, head]) {
    const exited = once(child, 'exit');
    child.send('close');
    const [code] = await exited;
    if (code !== 0) throw new Error(`a process of the demo ended with ${code}`);
  }
  say('all', 'closed in order; nothing is left behind');
}

try {
  await main();
} finally {
  for (const child of [...children, ...workers.map((started) => started.child)]) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
