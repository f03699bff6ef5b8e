// The agent by itself: a head with an orchestrating handler, two workers, a client.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { connect, generateKey, serve } from '../../lib/index.mjs';
import { offer } from './agent.mjs';
import { startWorker, stopWorker } from './workers.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'alknet-agent-'));
const names = { files: 'node:register:files', shell: 'node:register:shell', client: 'agent' };
const keys = Object.fromEntries(Object.keys(names).map((name) => [name, generateKey(name)]));
for (const [name, { privateKey }] of Object.entries(keys)) writeFileSync(path.join(folder, name), privateKey, { mode: 0o600 });

const head = await serve({ listen: '127.0.0.1:0', authorizedKeys: Object.entries(names).map(([name, scope]) => `scopes="${scope}" ${keys[name].publicKey}`) });
await offer(head);
const workers = [];
try {
  for (const name of ['files', 'shell']) workers.push(await startWorker(name, head.address, path.join(folder, name)));
  const client = await connect(head.address, { key: path.join(folder, 'client') });
  console.log(await client.call('/agent/report'));
  console.log(await client.call('/agent/tempted'));
  await client.close();
} finally {
  for (const worker of workers) await stopWorker(worker);
  await head.close();
  rmSync(folder, { recursive: true });
}
