// The bench itself: it runs, does not stop for a column that fails, and writes its page.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { chart } from './chart.mjs';
import { COLUMNS } from './columns.mjs';
import { measure } from './measure.mjs';
import { replaceRun, section } from './report.mjs';
import { ROWS } from './rows.mjs';
import { connect, generateKey, serve } from '../lib/index.mjs';

const run = promisify(execFile);
const bench = new URL('run.mjs', import.meta.url).pathname;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-bench-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const page = fs.readFileSync(new URL('../docs/benchmarks.md', import.meta.url), 'utf8');
const out = path.join(folder, 'results.json');

test('two columns, all rows', async () => {
  const { stdout } = await run(process.execPath, [bench, '--columns', 'alknet-tls,ws-json', '--reps', '1', '--quick', '--idle', '--out', out]);
  const result = JSON.parse(fs.readFileSync(out, 'utf8'));
  assert.deepEqual([result.failed, result.skipped], [{}, {}]);
  for (const name of ['alknet-tls', 'ws-json']) {
    const [told] = result.runs[name];
    for (const [key] of ROWS) assert.ok(Number.isFinite(told[key]), `${name}: ${key} is ${told[key]}`);
    assert.equal(told.e_delivered, 1);
    assert.ok(told.a256_rate > 0 && told.d_rate > 0, name);
  }
  for (const part of ['MEDIAN of 1', 'RATIO to ws-json', 'SPREAD', 'at least 2 × ws-json', 'QUICK']) assert.ok(stdout.includes(part), part);

  const text = section(result);
  const written = replaceRun(page, text);
  assert.ok(written.includes(text));
  assert.equal(replaceRun(written, text), written, 'writing it again changes nothing');
  const rest = (s) => s.replace(/(<!-- A run of bench begins here\. -->\n)[^]*(<!-- The run of bench ends here\. -->\n)/, '$1$2');
  assert.equal(rest(written), rest(page), 'all but the run stays as it is');
});

test('a run with another window says so, and is not written', async () => {
  const file = path.join(folder, 'window.json');
  const { stdout } = await run(process.execPath, [bench, '--columns', 'alknet-tls', '--only', 'd', '--window', '64', '--reps', '1', '--quick', '--idle', '--out', file]);
  assert.match(stdout, /Windows of 64 events\./);
  assert.ok(JSON.parse(fs.readFileSync(file, 'utf8')).runs['alknet-tls'][0].d_rate > 0);
  for (const wrong of [['--window', '64', '--write'], ['--from', file, '--write'], ['--window', '0']]) {
    await assert.rejects(run(process.execPath, [bench, ...wrong]), (e) => e.code === 2 && /--write keeps whole runs|--window takes a number/.test(e.stderr));
  }
});

test('loading is measured with both engines', async () => {
  const { stdout } = await run(process.execPath, [new URL('load.mjs', import.meta.url).pathname, '--reps', '2']);
  for (const engine of ['addon', 'process']) {
    const [, required, used] = new RegExp(`^${engine} +([\\d.]+) +\\d+% +([\\d.]+) +\\d+%$`, 'm').exec(stdout);
    assert.ok(Number(required) > 0 && Number(used) > Number(required), stdout);
  }
});

test('a column that fails does not stop the others', async () => {
  const { runs, failed, skipped } = await measure({
    'no server': { peer: 'floor', server: [process.execPath, '-e', 'process.exit(3)'] },
    'no such program': { peer: 'floor', server: [path.join(folder, 'none')] },
    'no client': { peer: 'none', mode: 'floor' },
    'refuses': { peer: 'floor', server: [process.execPath, '-e', 'console.log(\'{"addr":"127.0.0.1:1"}\'); process.stdin.resume()'] },
    elsewhere: { peer: 'floor', mode: 'floor', platform: 'none-none' },
    floor: COLUMNS.floor,
  }, { reps: 2, only: 'f' });
  assert.equal(runs.floor.length, 2);
  assert.ok(runs.floor.every((told) => told.cold > 0));
  assert.deepEqual(skipped, { elsewhere: 'it runs on none-none only' });
  assert.deepEqual(Object.keys(failed).sort(), ['no client', 'no server', 'no such program', 'refuses']);
  for (const [name, errors] of Object.entries(failed)) assert.equal(errors.length, 1, `${name} is tried once`);
  assert.match(failed['no server'][0], /^repeat 1: the server ended at once: 3$/);
  assert.match(failed['no such program'][0], /ENOENT/);
  assert.match(failed.refuses[0], /ECONNREFUSED/);
});

test('alknet-process has figures only where the engine is a process', async () => {
  const key = generateKey();
  const head = await serve({ listen: 'tcp://127.0.0.1:0', authorizedKeys: [key.publicKey] });
  const node = await connect(head.address, { key: Buffer.from(key.privateKey) });
  const { engine } = node;
  await node.close();
  await head.close({ drain: 0 });

  const column = COLUMNS['alknet-process'];
  const { runs, skipped, failed } = await measure({ asked: column, 'not asked': { ...column, env: {} } }, { reps: 1, only: 'f' });
  assert.deepEqual(runs['not asked'], []);
  if (engine === undefined) assert.deepEqual(skipped, { asked: 'this build has no process engine', 'not asked': 'this build has no process engine' });
  else {
    assert.equal(failed.asked, undefined);
    assert.ok(runs.asked[0].cold > 0);
    assert.deepEqual(failed, { 'not asked': [`repeat 1: the first call: the engine of the connection is ${engine}`] });
  }
});

test('a failure is told in the report, and in the status', async () => {
  const result = JSON.parse(fs.readFileSync(out, 'utf8'));
  const from = path.join(folder, 'failed.json');
  fs.writeFileSync(from, JSON.stringify({ ...result, failed: { nats: ['repeat 1: it\nbroke'] } }));
  const failure = await run(process.execPath, [bench, '--from', from]).then(() => assert.fail('status 0'), (e) => e);
  assert.equal(failure.code, 1);
  assert.match(failure.stdout, /^nats failed: repeat 1: it$/m);
  assert.match(section(JSON.parse(fs.readFileSync(from, 'utf8'))), /^- nats failed: repeat 1: it broke$/m);
});

test('nothing was measured: it is told, and drawn', () => {
  const result = { ...JSON.parse(fs.readFileSync(out, 'utf8')), runs: {}, failed: { 'ws-json': ['repeat 1: gone'] } };
  assert.doesNotMatch(section(result), /undefined|NaN|Infinity/);
  assert.match(section(result), /^0 of 14 are met\./m);
  assert.doesNotMatch(chart({ medians: {}, base: 'ws-json' }), /undefined|NaN|Infinity/);
});

for (const [args, why] of [
  [['--columns', 'ws-json,nonesuch'], /^no column is called 'nonesuch': there are alknet-quic, /],
  [['--only', 'x'], /^--only takes letters from a to g, not 'x'\n/],
  [['--reps', '0'], /^--reps takes a number from 1 to 99, not '0'\n/],
  [['--write', '--quick'], /^--write keeps whole runs/],
  [['--write', '--columns', 'floor'], /^--write keeps whole runs/],
  [['--write', '--from', out], /^--write keeps whole runs/],
  [['--nonesuch'], /Unknown option '--nonesuch'/],
]) {
  test(`${args.join(' ')} is refused`, async () => {
    const failure = await run(process.execPath, [bench, ...args]).then(() => assert.fail('status 0'), (e) => e);
    assert.equal(failure.code, 2);
    assert.match(failure.stderr, why);
  });
}

test('a page without marks is not written', () => {
  assert.throws(() => replaceRun('# Benchmarks\n', 'a run'), /the marks of a run are missing/);
});
