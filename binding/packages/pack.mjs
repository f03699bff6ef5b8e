// node binding/packages/pack.mjs FOLDER [PLATFORM…]: writes the npm packages as they
// are published: `alknet` (JavaScript) and one for each platform (the addon and the
// binary), all of them or those named. They have no scripts and no binding.gyp, so that
// installing runs nothing and compiles nothing. `npm pack` gives files neither times
// nor owners of their own: the same content is the same tarball.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { notices } from './modules.mjs';
import { binaryName, built, mainManifest, manifest, platformManifest, platforms, root } from './platforms.mjs';

const [target = path.join(root, 'build', 'packages'), ...names] = process.argv.slice(2);
const unknown = names.filter((name) => !platforms.some((platform) => platform.name === name));
if (unknown.length > 0) throw new Error(`there is no package for ${unknown.join(', ')}`);
const wanted = names.length > 0 ? platforms.filter(({ name }) => names.includes(name)) : platforms;
const home = manifest.repository.url.replace(/^git\+|\.git$/g, '');

const stage = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-pack-'));
try {
  fs.mkdirSync(target, { recursive: true });
  for (const file of fs.readdirSync(target)) if (file.endsWith('.tgz')) fs.rmSync(path.join(target, file));

  const main = path.join(stage, 'alknet');
  for (const entry of [...manifest.files, 'README.md']) copy(path.join(root, entry), path.join(main, entry));
  write(path.join(main, 'package.json'), mainManifest());
  pack(main);

  for (const platform of wanted) {
    const folder = path.join(stage, platform.name);
    const { binary, addon } = built(platform);
    copy(binary, path.join(folder, 'bin', binaryName(platform)));
    if (platform.addon) copy(addon, path.join(folder, 'alknet.node'));
    for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) copy(path.join(root, licence), path.join(folder, licence));
    fs.writeFileSync(path.join(folder, 'NOTICES.txt'), notices(platform));
    fs.writeFileSync(path.join(folder, 'README.md'), `${platformManifest(platform).description}: [alknet](${home}) installs it by itself.\n`);
    write(path.join(folder, 'package.json'), platformManifest(platform));
    pack(folder);
  }
} finally {
  fs.rmSync(stage, { recursive: true, force: true });
}

function copy(from, to) {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.cpSync(from, to, { recursive: true });
}

function write(file, content) {
  fs.writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
}

function pack(folder) {
  const name = execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', path.resolve(target)], { cwd: folder, encoding: 'utf8' }).trim();
  console.log(path.join(target, name));
}
