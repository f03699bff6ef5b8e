// node binding/packages/release.mjs FOLDER: adds to the npm packages in FOLDER what else
// a release has: the static binaries in archives, what they are made of (CycloneDX),
// and the checksums of all. Files in archives have one time and no owner.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { components, notices } from './modules.mjs';
import { binaryName, built, manifest, platforms, root } from './platforms.mjs';

const target = path.resolve(process.argv[2] ?? path.join(root, 'build', 'packages'));
const time = new Date('1985-10-26T08:15:00Z'); // that of `npm pack`; a zip has none before 1980
const stage = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-release-'));
try {
  for (const file of fs.readdirSync(target)) if (!file.endsWith('.tgz')) fs.rmSync(path.join(target, file));
  for (const platform of platforms.filter(({ libc }) => libc !== 'musl')) archive(platform);
  fs.writeFileSync(path.join(target, `alknet-${manifest.version}.cdx.json`), `${JSON.stringify(bill(), null, 2)}\n`);
  const sums = fs.readdirSync(target).sort().map((file) => `${createHash('sha256').update(fs.readFileSync(path.join(target, file))).digest('hex')}  ${file}\n`);
  fs.writeFileSync(path.join(target, 'SHA256SUMS'), sums.join(''));
} finally {
  fs.rmSync(stage, { recursive: true, force: true });
}

function archive(platform) {
  const name = `alknet-${manifest.version}-${platform.name}`;
  const folder = path.join(stage, name);
  fs.mkdirSync(folder);
  fs.copyFileSync(built(platform).binary, path.join(folder, binaryName(platform)));
  for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) fs.copyFileSync(path.join(root, licence), path.join(folder, licence));
  fs.writeFileSync(path.join(folder, 'NOTICES.txt'), notices({ ...platform, addon: false }));
  const files = fs.readdirSync(folder).sort();
  for (const file of files) {
    fs.chmodSync(path.join(folder, file), file === binaryName(platform) ? 0o755 : 0o644);
    fs.utimesSync(path.join(folder, file), time, time);
  }
  fs.chmodSync(folder, 0o755);
  fs.utimesSync(folder, time, time);
  if (platform.os === 'win32') {
    execFileSync('zip', ['-q', '-X', '-9', path.join(target, `${name}.zip`), ...files.map((file) => `${name}/${file}`)], { cwd: stage, env: { ...process.env, TZ: 'UTC' } });
  } else {
    const tar = execFileSync('tar', ['--format=ustar', '--sort=name', '--owner=0', '--group=0', '--numeric-owner', '-cf', '-', name], { cwd: stage, maxBuffer: 1 << 28 });
    fs.writeFileSync(path.join(target, `${name}.tar.gz`), execFileSync('gzip', ['-9', '-n'], { input: tar, maxBuffer: 1 << 28 }));
  }
}

/** The bill of materials: CycloneDX 1.6, everything that is in any platform's files. */
function bill() {
  const all = new Map(platforms.flatMap((platform) => components(platform)).map((component) => [component.purl, component]));
  const list = [...all.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1)).map(({ name, version, purl, licence }) => (
    { type: 'library', 'bom-ref': purl, name, version, purl, licenses: [{ license: { id: licence } }] }));
  const product = `pkg:npm/alknet@${manifest.version}`;
  return {
    bomFormat: 'CycloneDX', specVersion: '1.6', version: 1,
    metadata: { component: { type: 'application', 'bom-ref': product, name: 'alknet', version: manifest.version, purl: product, licenses: [{ expression: manifest.license }] } },
    components: list,
    dependencies: [{ ref: product, dependsOn: list.map((component) => component.purl) }],
  };
}
