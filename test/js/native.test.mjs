// Trap 8: where the addon cannot be loaded, one sentence says why and what to do.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Program, root } from './fixtures/program.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alknet-native-'));
after(() => fs.rmSync(folder, { recursive: true }));

// The JavaScript alone, with whatever a test puts where the addon belongs.
function copy(name, addon) {
  const where = path.join(folder, name);
  fs.cpSync(path.join(root, 'lib'), path.join(where, 'lib'), { recursive: true });
  fs.copyFileSync(path.join(root, 'package.json'), path.join(where, 'package.json'));
  if (addon !== undefined) {
    fs.mkdirSync(path.join(where, 'build', 'Release'), { recursive: true });
    fs.writeFileSync(path.join(where, 'build', 'Release', 'alknet.node'), addon);
  }
  return where;
}

// What its first use says: requiring it says nothing. `before` runs first.
async function told(t, where, before = '') {
  const script = `${before}; const { parseAddress } = require(${JSON.stringify(where)}); try { parseAddress('tcp://[::1]:5'); console.log('"loaded"'); } catch (error) { console.log(JSON.stringify([error.code, error.message, error.cause?.code])); }`;
  const { stdout, stderr } = await new Program(t, process.execPath, ['-e', script], { env: { NODE_PATH: '', ALKNET_ENGINE: 'addon' } }).ended;
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

const platform = `${process.platform}-${process.arch}`;
const musl = 'process.report.getReport = () => ({ header: {} })'; // what a report of musl lacks: glibcVersionRuntime

test('nothing is installed', async (t) => {
  const [code, message] = await told(t, copy('absent'));
  assert.equal(code, 'ERR_ALKNET_ADDON');
  assert.equal(message, `alknet: there is no native addon for ${platform} here. Install it with \`npm install @alkdev/alknet-${platform}\`, or, if your package manager leaves optional dependencies out, without --omit=optional.`);
});

test('on musl, with and without a file that does not load there', { skip: process.platform === 'linux' ? false : 'musl is a libc of Linux' }, async (t) => {
  for (const where of [copy('musl'), copy('musl-broken', 'not for this libc')]) {
    const [code, message] = await told(t, where, musl);
    assert.equal(code, 'ERR_ALKNET_ADDON');
    assert.equal(message, 'alknet: the native addon cannot be loaded on musl (Alpine): a Go archive needs glibc\'s thread-local storage. Use an image with glibc, such as node:22-slim.');
  }
});

test('a file that is damaged: the loader\'s own words, and its error as the cause', async (t) => {
  const [code, message, cause] = await told(t, copy('broken', 'this is no library'));
  assert.equal(code, 'ERR_ALKNET_ADDON');
  assert.ok(message.startsWith(`alknet: the native addon for ${platform} could not be loaded: `) && message.includes('alknet.node'), message);
  assert.equal(cause, 'ERR_DLOPEN_FAILED');
});

test('the package of the platform comes before the build beside it', async (t) => {
  const where = copy('both', 'this is no library');
  const installed = path.join(where, 'node_modules', '@alkdev', `alknet-${platform}`);
  fs.mkdirSync(installed, { recursive: true });
  fs.writeFileSync(path.join(installed, 'package.json'), JSON.stringify({ name: `@alkdev/alknet-${platform}`, main: 'alknet.node' }));
  fs.copyFileSync(path.join(root, 'build', 'Release', 'alknet.node'), path.join(installed, 'alknet.node'));
  const { stdout } = await new Program(t, process.execPath, ['-p', `require(${JSON.stringify(where)}).parseAddress('tcp://[::1]:5').port`], { env: { ALKNET_ENGINE: 'addon' } }).ended;
  assert.equal(stdout, '5\n');
});
