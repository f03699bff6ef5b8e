// `npx alknet`: lib/cli.js becomes the binary where Node.js can (process.execve), and
// stands in for it elsewhere. Either way a shell sees the binary's arguments, output,
// status and signals.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { alknet, Program, root } from './fixtures/program.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-launcher-'));
after(() => fs.rmSync(folder, { recursive: true }));
const platform = `${process.platform}-${process.arch}`;
let made = 0;

/** The launcher of a package beside which npm has installed a platform's package with this binary: a file, or the text of a program. */
function install(binary, { suffix = '', mode = 0o755 } = {}) {
  const where = path.join(folder, String(++made));
  fs.cpSync(path.join(root, 'lib'), path.join(where, 'node_modules', 'alknet', 'lib'), { recursive: true });
  if (binary !== undefined) {
    const native = path.join(where, 'node_modules', '@alkdev', `alknet-${platform}${suffix}`);
    fs.mkdirSync(path.join(native, 'bin'), { recursive: true });
    fs.writeFileSync(path.join(native, 'package.json'), '{}');
    const file = path.join(native, 'bin', process.platform === 'win32' ? 'alknet.exe' : 'alknet');
    if (path.isAbsolute(binary)) fs.copyFileSync(binary, file);
    else fs.writeFileSync(file, binary);
    fs.chmodSync(file, mode);
  }
  return path.join(where, 'node_modules', 'alknet', 'lib', 'cli.js');
}

const withoutExecve = path.join(folder, 'without-execve.cjs');
fs.writeFileSync(withoutExecve, 'delete process.execve;');
const ways = { 'standing in': ['--require', withoutExecve] };
if (process.execve) ways['becoming it'] = [];

for (const [way, before] of Object.entries(ways)) {
  describe(way, { skip: process.platform === 'win32' && 'the programs here are for a POSIX shell' }, () => {
    const start = (t, cli, ...args) => new Program(t, process.execPath, [...before, cli, ...args]);

    test('arguments, output and status are the binary\'s', async (t) => {
      const cli = install('#!/bin/sh\nprintf "[%s]" "$@"; read line; echo "$line" >&2; exit 7\n');
      const program = start(t, cli, 'a b', '', '--help');
      program.child.stdin.end('from stdin\n');
      assert.deepEqual(await program.ended, { code: 7, signal: null, stdout: '[a b][][--help]', stderr: 'from stdin\n' });
    });

    test('so is the signal that ends it', async (t) => {
      for (const signal of ['TERM', 'KILL', 'HUP']) {
        const { code, signal: by } = await start(t, install(`#!/bin/sh\nkill -${signal} $$\n`)).ended;
        assert.deepEqual([code, by], [null, `SIG${signal}`]);
      }
    });

    test('a head that is told to end by a signal does so in order', { timeout: 60_000 }, async (t) => {
      for (const signal of ['SIGTERM', 'SIGINT']) {
        const served = start(t, install(alknet), 'serve', '--home', path.join(folder, `state-${made}`), '--listen', '127.0.0.1:0');
        await served.line(/address/);
        served.kill(signal);
        const { code, stderr } = await served.ended; // and nobody holds the output any more
        assert.deepEqual([code, stderr], [0, ''], signal);
      }
    });

    test('the key of a terminal that interrupts reaches it once', { skip: process.platform !== 'linux' && 'script(1) has other options', timeout: 60_000 }, async (t) => {
      const count = `let n = 0; process.on('SIGINT', () => console.log('interrupted ' + ++n)); process.on('SIGTERM', () => { console.log('total ' + n); process.exit(); }); setInterval(() => {}, 60_000); console.log('ready ' + process.pid + ' ' + process.ppid);`;
      const cli = install(`#!/bin/sh\nexec '${process.execPath}' -e "${count}"\n`);
      const terminal = new Program(t, 'script', ['-qec', `exec ${[process.execPath, ...before, cli].map((word) => `'${word}'`).join(' ')}`, '/dev/null']);
      const [, own, parent] = await terminal.line(/ready (\d+) (\d+)/);
      terminal.child.stdin.write('\x03');
      await terminal.line(/interrupted 1/);
      // The launcher handles signals in order: when this one has come through, so would have another SIGINT.
      process.kill(Number(before.length > 0 ? parent : own), 'SIGTERM');
      assert.equal((await terminal.line(/total (\d+)/))[1], '1');
    });
  });
}

test('the package for musl does as well, and a checkout\'s build without any package', async (t) => {
  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  const clis = [path.join(root, 'lib', 'cli.js')];
  if (process.platform === 'linux') clis.push(install(alknet, { suffix: '-musl' }));
  for (const cli of clis) assert.equal((await new Program(t, process.execPath, [cli, 'version']).ended).stdout, `alknet ${version}\n`);
});

test('without a binary, and with one that cannot be run, one sentence says what to do', { skip: process.platform === 'win32' && 'any file is executable there' }, async (t) => {
  const absent = await new Program(t, process.execPath, [install()]).ended;
  assert.deepEqual(absent, { code: 1, signal: null, stdout: '', stderr: `alknet: there is no binary for ${platform} here. Install it with \`npm install @alkdev/alknet-${platform}\`, or, if your package manager leaves optional dependencies out, without --omit=optional.\n` });
  const refused = await new Program(t, process.execPath, [install('#!/bin/sh\n', { mode: 0o644 })]).ended;
  assert.deepEqual([refused.code, refused.stdout], [1, '']);
  assert.match(refused.stderr, /^alknet: \S+\/bin\/alknet is not executable\. Make it so with `chmod \+x`, or install @alkdev\/alknet-\S+ again\.\n$/);
});
