// A build in another folder, with nothing cached, gives the same bytes.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { root } from '../../binding/packages/platforms.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-reproducible-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

test('the packages of this platform are the same, byte for byte', { timeout: 900_000 }, () => {
  const other = path.join(folder, 'a', 'deeper', 'folder');
  for (const name of execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean)) {
    if (fs.existsSync(path.join(root, name))) fs.cpSync(path.join(root, name), path.join(other, name));
  }
  fs.cpSync(path.join(root, 'node_modules'), path.join(other, 'node_modules'), { recursive: true, verbatimSymlinks: true });
  fs.utimesSync(path.join(other, 'node_modules', '.package-lock.json'), new Date(), new Date());
  execFileSync('make', ['packages', `PLATFORM=${process.platform}-${process.arch}`], { cwd: other, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, GOCACHE: path.join(folder, 'cache'), MAKEFLAGS: '' } });
  const made = fs.readdirSync(path.join(other, 'build', 'packages'));
  assert.equal(made.length, 2);
  for (const name of made) assert.ok(fs.readFileSync(path.join(other, 'build', 'packages', name)).equals(fs.readFileSync(path.join(root, 'build', 'packages', name))), name);
});
