// Locked memory, as the kernel grants it: every limit, as root and as an ordinary user.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const linux = process.platform === 'linux';
const isRoot = linux && process.getuid() === 0;

// An ordinary user may not be let into the checkout.
const folder = mkdtempSync(path.join(os.tmpdir(), 'alknet-limits-'));
after(() => rmSync(folder, { recursive: true }));
for (const name of ['build/Release', 'bin']) mkdirSync(path.join(folder, name), { recursive: true });
for (const file of ['package.json', 'lib', 'build/Release/alknet.node', 'bin/alknet']) cpSync(path.join(root, file), path.join(folder, file), { recursive: true });
cpSync(path.join(root, 'test/js/fixtures/secret-limits.mjs'), path.join(folder, 'main.mjs'));
spawnSync('chmod', ['-R', 'a+rX', folder]);
chmodSync(folder, 0o755);

const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs'];

function run(user, limit) {
  const command = ['prlimit', `--memlock=${limit}:${limit}`, ...(user === 'nobody' ? NOBODY : []), process.execPath, 'main.mjs'];
  const { status, signal, stdout, stderr, error } = spawnSync(command[0], command.slice(1), { cwd: folder, encoding: 'utf8', timeout: 60_000 });
  assert.deepEqual({ error, status, signal }, { error: undefined, status: 0, signal: null }, `${command.join(' ')}\n${stderr}`);
  return JSON.parse(stdout);
}

// Root of a container may not raise limits, nor be above them.
const CAP_IPC_LOCK = 1n << 14n;
const capabilities = linux ? BigInt(`0x${/^CapEff:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]}`) : 0n;
const raises = linux && spawnSync('prlimit', ['--memlock=unlimited:unlimited', 'true']).status === 0;
const highest = raises ? 'unlimited' : linux && /^Max locked memory +\S+ +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))[1];

const LIMITS = [0, 8 << 10, 64 << 10, highest];

for (const user of ['root', 'nobody']) {
  for (const limit of LIMITS) {
    const name = `RLIMIT_MEMLOCK ${limit === highest ? 'at its highest' : limit} as ${user === 'root' ? 'root' : 'an ordinary user'}`;
    const skip = !linux ? 'limits on locked memory are tested on Linux'
      : user === 'root' && !(isRoot && capabilities & CAP_IPC_LOCK) ? 'the tests do not run as root with CAP_IPC_LOCK'
        : limit === highest && limit !== 'unlimited' && !(Number(limit) >= 1 << 20) ? `the limit here is ${limit} bytes and cannot be raised` : false;
    test(name, { skip, timeout: 90_000 }, () => {
      const told = run(isRoot ? user : 'self', limit);
      if (isRoot) assert.equal(told.uid, user === 'root' ? 0 : 65534);
      const free = user === 'root' || limit === highest; // CAP_IPC_LOCK knows no limit
      const page = 4096 <= limit;
      assert.equal(told.memory, free || page ? 'locked' : 'unlocked');
      // Twenty more stores do not fit into the small limits; what fits is locked.
      assert.equal(told.others.includes('unlocked'), !free && limit <= 64 << 10, told.others.join());
      assert.equal(told.strict, free ? 'locked' : 'MEMORY_LOCK');
      // Once a process without a listener, once a store with one.
      assert.deepEqual(told.warnings, free ? [] : ['AlknetMemoryWarning']);
      assert.equal(told.told, free || page ? 0 : 1);
      assert.deepEqual(told.limitsChanged, []);
    });
  }
}
