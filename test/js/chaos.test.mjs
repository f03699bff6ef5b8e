// Two heads in a chain, three workers (JavaScript, the binary's folder, the binary's
// programs) and ten clients, one of which is killed at random all the time. Six
// seconds; ALKNET_SOAK_SECONDS makes it longer (`make soak SUITE=chaos`: two minutes).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, generateKey } from '../../lib/index.mjs';
import { alknet, Program } from './fixtures/program.mjs';

const SECONDS = Number(process.env.ALKNET_SOAK_SECONDS ?? 6);
const CLIENTS = 10;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-chaos-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const file = (...names) => path.join(folder, ...names);
const keyOf = (name) => file('keys', name);

function grant(head, name, scopes) {
  const key = generateKey(name);
  for (const made of ['keys', head]) fs.mkdirSync(file(made), { recursive: true });
  fs.writeFileSync(keyOf(name), key.privateKey, { mode: 0o600 });
  fs.appendFileSync(file(head, 'authorized_keys'), `scopes="${scopes}" ${key.publicKey}\n`);
}

test('every call is answered, and the table is right, whoever is killed', { timeout: (SECONDS + 110) * 1000 }, async (t) => {
  for (let i = 0; i < CLIENTS; i++) grant('top', `client${i}`, 'fs:read,run:echo,run:count');
  grant('top', 'monitor', 'admin');
  grant('top', 'mid', 'node:register:mid');
  grant('top', 'js', 'node:register:js');
  grant('mid', 'files', 'node:register:files');
  grant('mid', 'programs', 'node:register:programs');
  grant('mid', 'midmonitor', 'admin');
  fs.writeFileSync(keyOf('top'), generateKey().privateKey, { mode: 0o600 });
  fs.mkdirSync(file('offered'));
  fs.writeFileSync(file('offered', 'hello'), 'hello');
  fs.writeFileSync(file('echo.sh'), '#!/bin/sh\nexec cat\n', { mode: 0o755 });
  fs.writeFileSync(file('count.sh'), '#!/bin/sh\ni=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); done\n', { mode: 0o755 });
  fs.writeFileSync(file('spec.json'), '{"name":"/run/count","type":"subscription"}');

  // Ports are chosen once, so that who is killed comes back at the same address. Over
  // TLS the end of a process is known at once; QUIC's own silence would be noticed later.
  const binary = (home, ...args) => new Program(t, alknet, args, { env: { ALKNET_HOME: file(home) } });
  const listens = {};
  const addresses = {};
  async function head(name, ...more) {
    const program = binary(name, 'serve', '--listen', listens[name] ?? 'tls://127.0.0.1:0', '--json', '--log-level', 'error', '--drain', '1s', ...more);
    const { addresses: [address] } = JSON.parse((await program.line(/^(\{.*)$/))[1]);
    addresses[name] = address;
    listens[name] = address.replace(/\/\/[^/]*@/, '//');
    return program;
  }
  const joined = async (program, pattern) => { await program.line(pattern); return program; };
  const targets = [
    { name: 'js', call: '/js/work/echo', stream: '/js/work/count' },
    { name: 'programs', call: '/mid/programs/run/echo', stream: '/mid/programs/run/count' },
    { name: 'files', call: '/mid/files/fs/read', stream: '/mid/files/fs/watch' },
  ];
  const start = {
    top: () => head('top', '--key', keyOf('top')),
    mid: () => head('mid', '--key', keyOf('mid'), '--join', addresses.top, '--join-as', 'mid'),
    js: () => joined(Program.fixture(t, 'chaos-worker.mjs', [addresses.top, keyOf('js'), 'js']), /joined/),
    files: () => joined(binary('mid', 'worker', addresses.mid, '--name', 'files', '--key', keyOf('files'), '--fs', file('offered'), '--json'), /"node":"files"/),
    programs: () => joined(binary('mid', 'worker', addresses.mid, '--name', 'programs', '--key', keyOf('programs'), '--json', '--concurrency', '64',
      '--spec', file('spec.json'), '--exec', `/run/echo=${file('echo.sh')}`, '--exec', `/run/count=${file('count.sh')}`), /"node":"programs"/),
  };
  for (let i = 0; i < CLIENTS; i++) {
    start[`client${i}`] = () => joined(Program.fixture(t, 'chaos-client.mjs', [addresses.top, keyOf(`client${i}`), JSON.stringify(targets)]), /started/);
  }

  const running = {};
  const up = async (name) => {
    for (;;) { // what it needs may be down at the moment
      try {
        running[name] = await start[name]();
        return;
      } catch (error) {
        if (!/has ended/.test(error.message)) throw error;
        await sleep(100);
      }
    }
  };
  for (const name of Object.keys(start)) await up(name);

  // What the table of a head must be, as its monitor sees it.
  const monitors = { top: await connect(addresses.top, { key: keyOf('monitor') }), mid: await connect(addresses.mid, { key: keyOf('midmonitor') }) };
  t.after(() => Promise.all(Object.values(monitors).map((monitor) => monitor.close())));
  const want = { top: ['js', 'mid'], mid: ['files', 'programs'] };
  const table = async (name) => (await monitors[name].call('/head/nodes/list', null, { timeout: 2000 })).nodes.map(({ node }) => node).join();
  // Through the chain: what the head in the middle has announced upwards.
  const announced = async () => {
    const { nodes } = await monitors.top.call('/head/nodes/list', null, { timeout: 2000 });
    const names = (await monitors.top.call('/services/list', null, { timeout: 2000 })).operations.map(({ name }) => name);
    return nodes.length === 2 && names.includes('/mid/programs/services/list') === false && names.includes('/mid/echo/echo');
  };
  async function settled() {
    const began = performance.now();
    for (;;) {
      try {
        if (await table('top') === want.top.join() && await table('mid') === want.mid.join() && await announced()) return performance.now() - began;
      } catch (error) {
        if (!['UNAVAILABLE', 'TIMEOUT'].includes(error.code)) throw error; // the monitor comes back, too
      }
      assert.ok(performance.now() - began < 30_000, `the tables are ${await table('top').catch(String)} and ${await table('mid').catch(String)}`);
      await sleep(20);
    }
  }
  await settled();
  // A node that is gone is off the table before it is back.
  async function gone(name) {
    const where = want.top.includes(name) ? 'top' : want.mid.includes(name) ? 'mid' : undefined;
    if (where === undefined) return 0;
    const began = performance.now();
    while ((await table(where).catch(() => '')).split(',').includes(name)) {
      assert.ok(performance.now() - began < 10_000, `${name} is still on the table`);
      await sleep(10);
    }
    return performance.now() - began;
  }

  const until = performance.now() + SECONDS * 1000;
  const killed = {};
  let slowestLeave = 0;
  let slowestReturn = 0;
  while (performance.now() < until) {
    const names = Object.keys(running);
    const name = names[Math.floor(Math.random() * names.length)];
    const kind = name.replace(/\d+$/, '');
    killed[kind] = (killed[kind] ?? 0) + 1;
    running[name].kill('SIGKILL');
    await running[name].ended;
    slowestLeave = Math.max(slowestLeave, await gone(name));
    await up(name);
    if (kind !== 'top' && kind !== 'mid') slowestReturn = Math.max(slowestReturn, await settled());
    else await settled(); // who was connected to it comes back at a time of its own
    await sleep(200 * Math.random());
  }

  // In peace now: a client ends when it has reached everything.
  await settled();
  const told = [];
  for (let i = 0; i < CLIENTS; i++) running[`client${i}`].kill('SIGTERM');
  for (let i = 0; i < CLIENTS; i++) {
    const { code, stdout, stderr } = await running[`client${i}`].ended;
    assert.deepEqual([code, stderr], [0, '']);
    told.push(JSON.parse(stdout.trim().split('\n').at(-1)));
  }
  const codes = {};
  let calls = 0;
  let slowest = 0;
  for (const { ok, codes: failed, wrong, slowest: ms, pending } of told) {
    assert.deepEqual([wrong, pending], [[], 0]);
    for (const [code, n] of Object.entries(failed)) codes[code] = (codes[code] ?? 0) + n;
    for (const target of targets) for (const what of ['call', 'stream']) assert.ok(ok[`${target.name} ${what}`] > 0, `no ${what} of ${target.name} went well: ${JSON.stringify(ok)}`);
    calls += Object.values(ok).reduce((a, b) => a + b, 0);
    slowest = Math.max(slowest, ms);
  }
  // A worker that is gone is not found; what was with it is told that it is unavailable.
  for (const code of Object.keys(codes)) assert.ok(['UNAVAILABLE', 'NOT_FOUND'].includes(code), `${code}: ${JSON.stringify(codes)}`);

  // Nothing is left of all that: the heads are as small as those that have just started.
  for (const name of ['top', 'mid']) {
    const { pid } = running[name].child;
    const metrics = async () => Number(/^go_goroutines (\d+)/m.exec(await monitors[name].call('/node/metrics'))[1]);
    for (const began = performance.now(); await metrics() > 100;) {
      assert.ok(performance.now() - began < 10_000, `${name} has ${await metrics()} goroutines`);
      await sleep(50);
    }
    const files = fs.readdirSync(`/proc/${pid}/fd`).length;
    const rss = Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
    assert.ok(files < 40, `${name} has ${files} open files`);
    assert.ok(rss < 200, `${name} has ${rss} MB`);
    t.diagnostic(`${name}: ${await metrics()} goroutines, ${files} open files, ${Math.round(rss)} MB`);
  }
  const programs = execFileSync('ps', ['-e', '-o', 'args='], { encoding: 'utf8' }).split('\n').filter((line) => /^\S*sh .*(echo|count)\.sh$/.test(line) && line.includes(folder));
  assert.deepEqual(programs, [], 'programs are left');
  t.diagnostic(`killed ${JSON.stringify(killed)}; ${calls} well, ${JSON.stringify(codes)}; slowest ${Math.round(slowest)} ms; off the table in ${Math.round(slowestLeave)} ms, on it in ${Math.round(slowestReturn)} ms`);
  for (const name of ['js', 'files', 'programs', 'mid', 'top']) {
    running[name].kill('SIGTERM');
    const { code } = await running[name].ended;
    assert.equal(code, 0, `${name} ended with ${code}: ${running[name].stderr}`);
  }
});
