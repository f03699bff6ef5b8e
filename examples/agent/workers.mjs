// The two workers of the agent, as processes of the binary.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const binary = path.join(here, '..', '..', 'bin', 'alknet');

const OFFERS = {
  files: ['--fs', path.join(here, 'notes'), '--read-only'],
  shell: ['--exec', `/bash/run="${process.execPath}" "${path.join(here, 'run.mjs')}"`],
};

/** Starts the worker `name`, with the key in a file; resolves when it has joined. */
export async function startWorker(name, address, key) {
  const child = spawn(binary, ['worker', address, '--name', name, '--key', key, '--json', ...OFFERS[name]], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await Promise.race([
    once(readline.createInterface(child.stdout), 'line'),
    once(child, 'exit').then(([code]) => { throw new Error(`the worker ${name} ended with ${code}`); }),
  ]);
  return { child, operations: JSON.parse(line).operations };
}

/** Stops a worker in order. */
export async function stopWorker({ child }) {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = await exited;
  if (code !== 0) throw new Error(`a worker ended with ${code}`);
}
