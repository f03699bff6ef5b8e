// node binding/pack.mjs FOLDER: writes the two npm packages of this platform, as they
// are published: `alknet` (JavaScript) and the platform's package with the addon. Both
// have no scripts and no binding.gyp, so that installing runs nothing and compiles
// nothing.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = path.resolve(process.argv[2] ?? path.join(root, 'build', 'packages'));
const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
const platform = `${process.platform}-${process.arch}`;
const platformName = `@alkdev/alknet-${platform}`;
const common = { version: manifest.version, license: manifest.license, repository: manifest.repository, engines: manifest.engines };

const stage = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-pack-'));
try {
  fs.mkdirSync(target, { recursive: true });
  for (const file of fs.readdirSync(target)) if (file.endsWith('.tgz')) fs.rmSync(path.join(target, file));

  const main = folder('alknet');
  for (const entry of [...manifest.files, 'README.md']) fs.cpSync(path.join(root, entry), path.join(main, entry), { recursive: true });
  const { devDependencies, scripts, optionalDependencies, ...published } = manifest;
  write(main, { ...published, optionalDependencies: { ...optionalDependencies, [platformName]: manifest.version } });

  const native = folder(`alknet-${platform}`);
  fs.copyFileSync(path.join(root, 'build', 'Release', 'alknet.node'), path.join(native, 'alknet.node'));
  for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) fs.copyFileSync(path.join(root, licence), path.join(native, licence));
  fs.writeFileSync(path.join(native, 'README.md'), `The native addon of [alknet](${manifest.repository.url.replace(/^git\+|\.git$/g, '')}) for ${platform}.\n`);
  write(native, {
    name: platformName, ...common, description: `The native addon of alknet for ${platform}`, main: 'alknet.node', files: ['alknet.node', 'LICENSE-MIT', 'LICENSE-APACHE'],
    os: [process.platform], cpu: [process.arch], ...(process.platform === 'linux' && { libc: ['glibc'] }), gypfile: false,
  });

  for (const from of [main, native]) {
    const name = execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', target], { cwd: from, encoding: 'utf8' }).trim();
    console.log(path.join(target, name));
  }
} finally {
  fs.rmSync(stage, { recursive: true, force: true });
}

function folder(name) {
  const made = path.join(stage, name);
  fs.mkdirSync(made);
  return made;
}

function write(where, content) {
  fs.writeFileSync(path.join(where, 'package.json'), `${JSON.stringify(content, null, 2)}\n`);
}
