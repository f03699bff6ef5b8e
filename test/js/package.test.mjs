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
      assert.deepEqual(manifest.optionalDependencies, { [`@alkdev/alknet-${process.platform}-${process.arch}`]: manifest.version });
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

test('without the platform\'s package the error says what to install', () => {
  fs.rmSync(path.join(project, 'node_modules', '@alkdev'), { recursive: true });
  const script = 'try { require("alknet") } catch (error) { console.log(error.code, error.message) }';
  const told = run('node', '-e', script);
  assert.match(told, /^ERR_ALKNET_ADDON alknet: there is no native addon for \S+ here\. Install it with `npm install @alkdev\/alknet-/);
});
