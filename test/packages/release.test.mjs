// Everything in build/packages, as `make packages` leaves it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { binaryName, built, manifest, packageName, platforms, root } from '../../binding/packages/platforms.mjs';

const folder = path.join(root, 'build', 'packages');
const [, toolchain] = /^toolchain (\S+)$/m.exec(fs.readFileSync(path.join(root, 'go.mod'), 'utf8'));
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-release-'));
after(() => fs.rmSync(scratch, { recursive: true }));

const tarball = (name) => `${name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`;
const archives = platforms.filter(({ libc }) => libc !== 'musl').map((platform) => ({ platform, file: `alknet-${manifest.version}-${platform.name}${platform.os === 'win32' ? '.zip' : '.tar.gz'}` }));
const bill = `alknet-${manifest.version}.cdx.json`;

test('a tarball for npm and an archive for each platform, a bill of materials, and the checksums of all', () => {
  const files = [tarball('alknet'), ...platforms.map((platform) => tarball(packageName(platform))), ...archives.map(({ file }) => file), bill].sort();
  assert.deepEqual(fs.readdirSync(folder).sort(), ['SHA256SUMS', ...files].sort());
  const sums = fs.readFileSync(path.join(folder, 'SHA256SUMS'), 'utf8');
  assert.equal(sums, files.map((file) => `${createHash('sha256').update(fs.readFileSync(path.join(folder, file))).digest('hex')}  ${file}\n`).join(''));
  execFileSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: folder });
});

// What a loader looks at first: the kind of file and the processor.
const KINDS = {
  'linux-x64': (b) => b.readUInt32BE(0) === 0x7f454c46 && b.readUInt16LE(18) === 62,
  'linux-arm64': (b) => b.readUInt32BE(0) === 0x7f454c46 && b.readUInt16LE(18) === 183,
  'darwin-x64': (b) => b.readUInt32LE(0) === 0xfeedfacf && b.readUInt32LE(4) === 0x01000007,
  'darwin-arm64': (b) => b.readUInt32LE(0) === 0xfeedfacf && b.readUInt32LE(4) === 0x0100000c,
  'win32-x64': (b) => b.toString('latin1', 0, 2) === 'MZ' && b.readUInt16LE(b.readUInt32LE(60) + 4) === 0x8664,
  'win32-arm64': (b) => b.toString('latin1', 0, 2) === 'MZ' && b.readUInt16LE(b.readUInt32LE(60) + 4) === 0xaa64,
};

test('the archives hold the binary of their platform and the licences', () => {
  for (const { platform, file } of archives) {
    if (file.endsWith('.zip')) execFileSync('unzip', ['-q', path.join(folder, file), '-d', scratch]);
    else execFileSync('tar', ['xzf', path.join(folder, file), '-C', scratch]);
    const where = path.join(scratch, `alknet-${manifest.version}-${platform.name}`);
    assert.deepEqual(fs.readdirSync(where).sort(), ['LICENSE-APACHE', 'LICENSE-MIT', 'NOTICES.txt', binaryName(platform)].sort());
    assert.ok(KINDS[platform.name](fs.readFileSync(path.join(where, binaryName(platform)))), platform.name);
    if (platform.os !== 'linux') continue;
    const binary = path.join(where, 'alknet');
    assert.doesNotMatch(execFileSync('readelf', ['--program-headers', binary], { encoding: 'utf8' }), /INTERP|DYNAMIC/, 'it is static');
    const command = platform.cpu === process.arch ? [binary] : ['qemu-aarch64', binary];
    assert.equal(execFileSync(command[0], [...command.slice(1), 'version'], { encoding: 'utf8' }), `alknet ${manifest.version}\n`);
  }
});

test('the bill of materials names every module of every binary, with its licence', () => {
  const { bomFormat, specVersion, metadata, components } = JSON.parse(fs.readFileSync(path.join(folder, bill), 'utf8'));
  assert.deepEqual([bomFormat, specVersion, metadata.component.version], ['CycloneDX', '1.6', manifest.version]);
  for (const component of components) assert.match(component.licenses[0].license.id, /^(MIT|ISC|Apache-2\.0|BSD-[23]-Clause)$/, component.purl);
  const named = components.map(({ purl }) => purl);
  for (const platform of platforms) {
    const { GoVersion, Deps } = JSON.parse(execFileSync('go', ['version', '-m', '-json', built(platform).binary], { encoding: 'utf8' }));
    assert.equal(GoVersion, toolchain, `${platform.name} is built with the toolchain of go.mod`);
    assert.ok(Deps.length > 15, `${platform.name} has modules`);
    for (const purl of [`pkg:golang/std@${GoVersion.slice(2)}`, ...Deps.map(({ Path, Version }) => `pkg:golang/${Path}@${Version}`)]) assert.ok(named.includes(purl), `${platform.name}: ${purl}`);
  }
  assert.ok(named.some((purl) => purl.startsWith('pkg:npm/node-addon-api@')));
});
