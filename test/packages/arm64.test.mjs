// The addon and the binary for arm64, cross-compiled, run by qemu with Node.js for
// arm64 and Debian's glibc for arm64.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { built, packageName, platformManifest, platforms, root } from '../../binding/packages/platforms.mjs';
import { nodeOf } from '../node-versions.mjs';

const arm64 = platforms.find(({ name }) => name === 'linux-arm64');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-arm64-'));
after(() => fs.rmSync(folder, { recursive: true }));

const emulated = (...command) => promisify(execFile)('qemu-aarch64', ['-L', '/usr/aarch64-linux-gnu', ...command], { cwd: folder, timeout: 200_000 });

test('a head, a client and their calls', { timeout: 400_000 }, async (t) => {
  const [main, native] = ['alknet', packageName(arm64)].map((name) => path.join(folder, 'node_modules', name));
  fs.cpSync(path.join(root, 'lib'), path.join(main, 'lib'), { recursive: true });
  fs.copyFileSync(path.join(root, 'package.json'), path.join(main, 'package.json'));
  fs.mkdirSync(native, { recursive: true });
  fs.copyFileSync(built(arm64).addon, path.join(native, 'alknet.node'));
  fs.writeFileSync(path.join(native, 'package.json'), JSON.stringify(platformManifest(arm64)));
  fs.writeFileSync(path.join(folder, 'snippet.mjs'), /```js\n([^]*?)```/.exec(fs.readFileSync(path.join(root, 'README.md'), 'utf8'))[1]);
  for (const major of [20, 26]) {
    await t.test(`Node.js ${major}`, async () => {
      const node = nodeOf(major, 'arm64');
      assert.equal((await emulated(node, '-p', 'process.arch')).stdout, 'arm64\n');
      assert.equal((await emulated(node, 'snippet.mjs')).stdout, '3\n1\n2\n3\nINVALID_INPUT\n');
    });
  }
});
