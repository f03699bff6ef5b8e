// Runs the columns. Every repeat starts a fresh server and a fresh client process for each column, one pair at a time,
// in rotating order. A column that fails does not stop the others.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { median } from './rows.mjs';

const benchd = new URL('../build/benchd', import.meta.url).pathname;
const client = new URL('client.mjs', import.meta.url).pathname;
const COLD = 3; // cold starts a repeat
const START = 15e3, FIRST = 20e3, WHOLE = 150e3; // ms for a server to start, for a cold start and for all rows of a client

// The server prints one line of JSON, and ends with its stdin.
async function startServer(name, { mode, server = [benchd, '-mode', mode] }) {
  const child = spawn(server[0], server.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((r) => { child.once('exit', r); child.once('error', r); });
  child.stdin.on('error', () => {}); // it may be gone already
  const stop = async () => {
    child.stdin.end();
    const t = setTimeout(() => child.kill('SIGKILL'), 2000);
    await ended;
    clearTimeout(t);
  };
  let t;
  try {
    const line = await Promise.race([
      new Promise((r) => createInterface({ input: child.stdout }).once('line', r)),
      ended.then((why) => { throw new Error(`the server ended at once: ${why?.message ?? why}`); }),
      new Promise((_, reject) => { t = setTimeout(reject, START, new Error(`the server did not start in ${START / 1e3} s`)); }),
    ]);
    return { info: { ...JSON.parse(line), pid: child.pid }, stop };
  } catch (e) {
    await stop();
    throw e;
  } finally {
    clearTimeout(t);
  }
}

function runClient(arg, env, limit) {
  return new Promise((resolve) => {
    const { ALKNET_ENGINE: _, ...inherited } = process.env;
    const child = spawn(process.execPath, [client, JSON.stringify(arg)], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...inherited, ...env } });
    let text = '', err = '', late = false;
    child.stdout.on('data', (d) => { text += d; });
    child.stderr.on('data', (d) => { err += d; });
    const t = setTimeout(() => { late = true; child.kill('SIGKILL'); }, limit);
    child.once('close', (code) => {
      clearTimeout(t);
      try {
        resolve(JSON.parse(text));
      } catch {
        resolve({ gone: true, errors: [late ? `the client was not done in ${limit / 1e3} s` : `the client ended with ${code}: ${err.trim().slice(0, 300)}`] });
      }
    });
  });
}

// One repeat of one column: what its client told. gone says that it told nothing.
async function once(name, column, { only, quick }) {
  if (column.platform && column.platform !== `${process.platform}-${process.arch}`) return { skip: `it runs on ${column.platform} only`, errors: [] };
  let server;
  try {
    server = await startServer(name, column);
  } catch (e) {
    return { gone: true, errors: [e.message] };
  }
  try {
    const arg = { ...server.info, ...column.options, peer: column.peer, only, quick };
    const cold = [];
    for (let k = 0; only.includes('f') && k < COLD; k++) {
      cold.push(await runClient({ ...arg, cold: true }, column.env, FIRST));
      if (cold[k].skip || cold[k].gone) return cold[k];
    }
    const told = await runClient(arg, column.env, WHOLE);
    for (const key of cold.length ? ['cold', 'importMs'] : []) told[key] = median(cold.map((c) => c[key]));
    return told;
  } finally {
    await server.stop();
  }
}

/**
 * Measures columns, { name: one as in columns.mjs }. log gets a line after each repeat of each.
 * Returns { runs: { name: [what its client told] }, skipped: { name: why }, failed: { name: [errors] } }.
 * A column that is skipped, or tells nothing at all, is left out of further repeats.
 */
export async function measure(columns, { reps, only, quick = false, log = () => {} }) {
  const names = Object.keys(columns);
  const runs = Object.fromEntries(names.map((n) => [n, []]));
  const skipped = {}, failed = {}, out = new Set();
  for (let rep = 0; rep < reps; rep++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + rep) % names.length], t = Date.now();
      if (out.has(name)) continue;
      const told = await once(name, columns[name], { only, quick });
      if (told.skip) skipped[name] = told.skip;
      else if (told.errors.length) (failed[name] ??= []).push(...told.errors.map((e) => `repeat ${rep + 1}: ${e}`));
      if (told.skip || told.gone) out.add(name);
      else runs[name].push(told);
      log(`repeat ${rep + 1} ${name.padEnd(14)} ${((Date.now() - t) / 1e3).toFixed(1)} s ${told.skip ? `skipped: ${told.skip}` : told.errors.join('; ')}`);
    }
  }
  return { runs, skipped, failed };
}
