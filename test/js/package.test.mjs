// Trap 9: the packages as published, installed without scripts, Go or a compiler.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-package-'));
const project = path.join(folder, 'project');
const bin = path.join(folder, 'bin');
const platformPackage = `@alkdev/alknet-${process.platform}-${process.arch}`;
let tarballs;

after(() => fs.rmSync(folder, { recursive: true, force: true }));

// A PATH with node, npm and a shell only: nothing could be compiled.
function run(command, ...args) {
  const env = { PATH: bin, HOME: folder, npm_config_cache: path.join(folder, 'cache'), npm_config_update_notifier: 'false' };
  return execFileSync(path.join(bin, command), args, { cwd: project, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 });
}

before(() => {
  const where = (name) => fs.realpathSync(execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim());
  fs.mkdirSync(project);
  fs.mkdirSync(bin);
  for (const [name, target] of [['node', process.execPath], ['npm', where('npm')], ['sh', where('sh')]]) fs.symlinkSync(target, path.join(bin, name));
  tarballs = execFileSync(process.execPath, [path.join(root, 'binding/pack.mjs'), path.join(folder, 'packages')], { encoding: 'utf8' }).trim().split('\n');
  fs.writeFileSync(path.join(project, 'package.json'), '{"name":"consumer","version":"1.0.0","private":true}');
});

test('the tarballs hold no script, no binding.gyp and no source of the engine', () => {
  assert.equal(tarballs.length, 2);
  for (const tarball of tarballs) {
    const files = execFileSync('tar', ['tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
    assert.deepEqual(files.filter((file) => /\.gyp|\.go$|\.cc$|Makefile/.test(file)), []);
    const manifest = JSON.parse(execFileSync('tar', ['xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }));
    assert.equal(manifest.scripts, undefined);
    assert.equal(manifest.gypfile, false);
    assert.equal(manifest.devDependencies, undefined);
    if (manifest.name === 'alknet') {
      assert.deepEqual(manifest.optionalDependencies, { [platformPackage]: manifest.version });
      for (const file of ['lib/index.js', 'lib/index.mjs', 'lib/index.d.ts', 'lib/index.d.mts', 'README.md']) assert.ok(files.includes(`package/${file}`), file);
    } else {
      assert.deepEqual([manifest.os, manifest.cpu, manifest.libc], [[process.platform], [process.arch], ['glibc']]);
    }
  }
});

test('npm install and npm ci, without scripts and offline; the README\'s JavaScript runs, as ESM and as CommonJS', () => {
  run('npm', 'install', '--ignore-scripts', '--offline', '--no-audit', '--no-fund', ...tarballs);
  const snippet = /```js\n([^]*?)```/.exec(fs.readFileSync(path.join(root, 'README.md'), 'utf8'))[1];
  fs.writeFileSync(path.join(project, 'snippet.mjs'), snippet);
  const expected = '3\n1\n2\n3\nINVALID_INPUT\n';
  assert.equal(run('node', 'snippet.mjs'), expected);
  fs.rmSync(path.join(project, 'node_modules'), { recursive: true });
  run('npm', 'ci', '--ignore-scripts', '--offline', '--no-audit', '--no-fund');
  const common = snippet.replace(/import (\{.*\}) from 'alknet'/, 'const $1 = require("alknet")');
  assert.notEqual(common, snippet);
  fs.writeFileSync(path.join(project, 'snippet.cjs'), `(async () => {\n${common}\n})()`);
  assert.equal(run('node', 'snippet.cjs'), expected);
});

// A consumer's project whose lock file knows several platforms, one of which is not
// this one: the package of the other is the same file under another name.
function lockedProject(name, install) {
  const where = path.join(folder, name);
  fs.mkdirSync(where);
  const other = { os: 'aix', cpu: 'ppc64' }; // nobody runs these tests there
  const stage = path.join(where, 'stage');
  fs.mkdirSync(stage);
  execFileSync('tar', ['xzf', tarballs[1], '-C', stage]);
  const file = path.join(stage, 'package', 'package.json');
  const manifest = JSON.parse(fs.readFileSync(file, 'utf8'));
  const otherName = `@alkdev/alknet-${other.os}-${other.cpu}`;
  fs.writeFileSync(file, JSON.stringify({ ...manifest, name: otherName, os: [other.os], cpu: [other.cpu], libc: undefined }));
  execFileSync('tar', ['czf', path.join(where, 'other.tgz'), '-C', stage, 'package']);
  fs.rmSync(stage, { recursive: true });
  fs.writeFileSync(path.join(where, 'package.json'), JSON.stringify({
    name: 'consumer', version: '1.0.0', private: true, dependencies: { alknet: `file:${tarballs[0]}` },
    optionalDependencies: { [platformPackage]: `file:${tarballs[1]}`, [otherName]: 'file:other.tgz' },
  }));
  const npm = (...args) => run('npm', '--prefix', where, ...args, '--ignore-scripts', '--offline', '--no-audit', '--no-fund');
  npm('install', '--package-lock-only', ...install(other));
  return { where, npm, otherName, lock: path.join(where, 'package-lock.json') };
}

const load = (where) => run('node', '-e', `try { console.log(require(${JSON.stringify(path.join(where, 'node_modules', 'alknet'))}).version) } catch (error) { console.log(error.code, error.message) }`);

test('npm ci with a lock file that was made on another platform', () => {
  const { where, npm, otherName } = lockedProject('elsewhere', ({ os: system, cpu }) => [`--os=${system}`, `--cpu=${cpu}`]);
  npm('ci');
  assert.match(load(where), /^\d+\.\d+\.\d+\n$/);
  assert.ok(!fs.existsSync(path.join(where, 'node_modules', otherName)), 'the package of the other platform is left out');
});

// npm has made such lock files; `npm install` mends them.
test('npm ci with a lock file that misses this platform\'s package is refused, and npm install mends it', () => {
  const { where, npm, lock } = lockedProject('missing', () => []);
  const content = JSON.parse(fs.readFileSync(lock, 'utf8'));
  assert.ok(content.packages[`node_modules/${platformPackage}`]);
  delete content.packages[`node_modules/${platformPackage}`];
  fs.writeFileSync(lock, JSON.stringify(content));
  assert.throws(() => npm('ci'), (error) => error.stderr.includes('EUSAGE') && error.stderr.includes(`Missing: ${platformPackage}@`));
  npm('install');
  npm('ci');
  assert.match(load(where), /^\d+\.\d+\.\d+\n$/);
});

test('without the platform\'s package the error says what to install', () => {
  fs.rmSync(path.join(project, 'node_modules', '@alkdev'), { recursive: true });
  const script = 'try { require("alknet").generateKey() } catch (error) { console.log(error.code, error.message) }';
  const told = run('node', '-e', script);
  assert.match(told, /^ERR_ALKNET_ENGINE alknet: there is no native addon for \S+ here\. Install it with `npm install @alkdev\/alknet-/);
});
