// Trap 9: the packages as published, installed by name from a registry, without
// scripts, Go or a compiler. ALKNET_PACKAGES names a folder that has them already.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { packageName, platformManifest, platforms } from '../../binding/packages/platforms.mjs';
import { Program, root } from './fixtures/program.mjs';
import { Registry } from './fixtures/registry.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-package-'));
const bin = path.join(folder, 'bin');
const here = platforms.find(({ os: system, cpu, libc }) => system === process.platform && cpu === process.arch && libc !== 'musl');
const elsewhere = platforms.find(({ os: system }) => system !== process.platform && system !== 'linux');
const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
let tarballs;
let registry;

before(async () => {
  const where = (name) => fs.realpathSync(execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim());
  fs.mkdirSync(bin);
  fs.mkdirSync(path.join(folder, 'home'));
  for (const [name, target] of [['node', process.execPath], ['npm', where('npm')], ['npx', where('npx')], ['sh', where('sh')]]) fs.symlinkSync(target, path.join(bin, name));
  if (process.env.ALKNET_PACKAGES) {
    const packed = path.resolve(root, process.env.ALKNET_PACKAGES);
    tarballs = fs.readdirSync(packed).filter((file) => file.endsWith('.tgz')).map((file) => path.join(packed, file));
  } else {
    tarballs = execFileSync(process.execPath, [path.join(root, 'binding/packages/pack.mjs'), path.join(folder, 'packages'), here.name], { encoding: 'utf8' }).trim().split('\n');
  }
  registry = await Registry.open(tarballs, platforms.map(platformManifest));
});
after(async () => {
  await registry?.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

// A PATH with node, npm and a shell only, and a home without anything.
const environment = () => ({
  PATH: bin, HOME: path.join(folder, 'home'), npm_config_cache: path.join(folder, 'cache'), npm_config_registry: registry.url,
  npm_config_update_notifier: 'false', npm_config_audit: 'false', npm_config_fund: 'false', npm_config_ignore_scripts: 'true',
});

/** A consumer's project in an empty folder: run(command, ...args) gives stdout. */
function project(name) {
  const where = path.join(folder, name);
  fs.mkdirSync(where);
  fs.writeFileSync(path.join(where, 'package.json'), '{"name":"consumer","version":"1.0.0","private":true}');
  const run = async (command, ...args) => (await promisify(execFile)(path.join(bin, command), args, { cwd: where, env: environment(), timeout: 120_000 })).stdout;
  const installed = () => {
    const scope = path.join(where, 'node_modules', '@alkdev');
    return fs.existsSync(scope) ? fs.readdirSync(scope).map((entry) => `@alkdev/${entry}`) : [];
  };
  return { where, run, installed };
}

// The README's first snippet, which opens a head, calls and subscribes.
const snippet = /```js\n([^]*?)```/.exec(fs.readFileSync(path.join(root, 'README.md'), 'utf8'))[1];
const told = '3\n1\n2\n3\nINVALID_INPUT\n';

test('the tarballs hold no script, no binding.gyp and no source of the engine', () => {
  assert.ok(tarballs.length >= 2);
  for (const tarball of tarballs) {
    const files = execFileSync('tar', ['tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
    assert.deepEqual(files.filter((file) => /\.gyp|\.go$|\.cc$|Makefile/.test(file)), []);
    const manifest = JSON.parse(execFileSync('tar', ['xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }));
    assert.equal(manifest.scripts, undefined);
    assert.equal(manifest.gypfile, false);
    assert.equal(manifest.devDependencies, undefined);
    assert.equal(manifest.dependencies, undefined);
    if (manifest.name === 'alknet') {
      assert.deepEqual(manifest.optionalDependencies, Object.fromEntries(platforms.map((platform) => [packageName(platform), version])));
      for (const file of ['lib/index.js', 'lib/index.mjs', 'lib/index.d.ts', 'lib/index.d.mts', 'lib/cli.js', 'README.md']) assert.ok(files.includes(`package/${file}`), file);
    } else {
      const platform = platforms.find((p) => packageName(p) === manifest.name);
      assert.deepEqual([manifest.os, manifest.cpu, manifest.libc], [[platform.os], [platform.cpu], platform.libc && [platform.libc]]);
      assert.equal(files.includes('package/alknet.node'), platform.addon === true);
      assert.ok(files.some((file) => /^package\/bin\/alknet(\.exe)?$/.test(file)));
      assert.match(execFileSync('tar', ['xzOf', tarball, 'package/NOTICES.txt'], { encoding: 'utf8' }), /quic-go v[^]*Permission is hereby granted[^]*Go and its standard library [^]*Redistributions in binary form/);
    }
  }
});

test('npm install by name, and npm ci with the lock file of that: the README\'s JavaScript runs, as ESM and as CommonJS', async () => {
  const { where, run, installed } = project('consumer');
  await run('npm', 'install', 'alknet');
  assert.deepEqual(installed(), [packageName(here)], 'the packages of other platforms are left out');
  fs.writeFileSync(path.join(where, 'snippet.mjs'), snippet);
  assert.equal(await run('node', 'snippet.mjs'), told);

  fs.rmSync(path.join(where, 'node_modules'), { recursive: true });
  await run('npm', 'ci');
  assert.deepEqual(installed(), [packageName(here)]);
  const common = snippet.replace(/import (\{.*\}) from 'alknet'/, 'const $1 = require("alknet")');
  assert.notEqual(common, snippet);
  fs.writeFileSync(path.join(where, 'snippet.cjs'), `(async () => {\n${common}\n})()`);
  assert.equal(await run('node', 'snippet.cjs'), told);
  assert.equal(await run('npx', 'alknet', 'version'), `alknet ${version}\n`);
  const served = tarballs.map((file) => `GET /-/${path.basename(file)}`);
  assert.deepEqual(registry.requests.filter((request) => request.startsWith('GET /-/') && !served.includes(request)), [], 'nothing else is downloaded');
});

test('npm ci with a lock file that was made on another platform', async () => {
  const { where, run, installed } = project('elsewhere');
  await run('npm', 'install', 'alknet', '--package-lock-only', `--os=${elsewhere.os}`, `--cpu=${elsewhere.cpu}`);
  const { packages } = JSON.parse(fs.readFileSync(path.join(where, 'package-lock.json'), 'utf8'));
  for (const platform of platforms) assert.ok(packages[`node_modules/${packageName(platform)}`], `the lock file names ${platform.name}`);
  await run('npm', 'ci');
  assert.deepEqual(installed(), [packageName(here)]);
  assert.equal(await run('node', '-p', 'require("alknet").version'), `${version}\n`);
});

// npm has made such lock files, where node_modules was there and the lock file was not.
test('npm ci with a lock file that misses this platform\'s package is refused, and npm install mends it', async () => {
  const { where, run, installed } = project('missing');
  await run('npm', 'install', 'alknet', '--package-lock-only');
  const lock = path.join(where, 'package-lock.json');
  const content = JSON.parse(fs.readFileSync(lock, 'utf8'));
  assert.ok(content.packages[`node_modules/${packageName(here)}`]);
  delete content.packages[`node_modules/${packageName(here)}`];
  fs.writeFileSync(lock, JSON.stringify(content));
  await assert.rejects(run('npm', 'ci'), (error) => error.stderr.includes('EUSAGE') && error.stderr.includes(`Missing: ${packageName(here)}@`));
  await run('npm', 'install');
  await run('npm', 'ci');
  assert.deepEqual(installed(), [packageName(here)]);
});

test('without the platform\'s package the errors say what to install', async () => {
  const { run, installed } = project('bare');
  await run('npm', 'install', 'alknet', '--omit=optional');
  assert.deepEqual(installed(), []);
  const first = 'try { const { serve } = require("alknet"); serve({ listen: "tcp://127.0.0.1:0" }).catch(tell) } catch (error) { tell(error) } function tell(error) { console.log(error.code, error.message) }';
  assert.match(await run('node', '-e', first), /^ERR_ALKNET_\w+ alknet: there is no [^]*npm install @alkdev\/alknet-[^]*--omit=optional/);
  await assert.rejects(run('npx', 'alknet', 'version'), (error) => error.code === 1
    && error.stderr.startsWith(`alknet: there is no binary for ${process.platform}-${process.arch} here. Install it with \`npm install ${packageName(here)}\``));
});

// What Alpine is like: the package has the binary and no addon.
test('without the addon the binary is used, or the error says why not', async () => {
  const { where, run } = project('no-addon');
  await run('npm', 'install', 'alknet');
  const native = path.join(where, 'node_modules', packageName(here), 'alknet.node');
  fs.rmSync(native);
  fs.writeFileSync(path.join(where, 'snippet.mjs'), snippet);
  assert.equal(await run('node', 'snippet.mjs'), told);
  fs.rmSync(path.join(path.dirname(native), 'bin'), { recursive: true });
  await assert.rejects(run('node', 'snippet.mjs'), (error) => /alknet: there is no native addon for [^]*alknet: the engine cannot run as a process: there is no binary for [^]*ERR_ALKNET_ENGINE/.test(error.stderr));
});

// Not by npx: told to end, it ends itself and leaves what it started.
test('the installed command serves, and ends in order when it is told to', { timeout: 60_000 }, async (t) => {
  const served = new Program(t, path.join(folder, 'consumer', 'node_modules', '.bin', 'alknet'), ['serve', '--home', path.join(folder, 'state'), '--listen', '127.0.0.1:0'], { env: environment() });
  await served.line(/address/);
  served.kill('SIGTERM');
  const { code, signal, stderr } = await served.ended;
  assert.deepEqual([code ?? signal, stderr], [0, '']);
});
