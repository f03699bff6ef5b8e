// Traps 1, 4 and 10: the built addon as a file, and how it loads.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Program, root } from './fixtures/program.mjs';

const addon = path.join(root, 'build', 'Release', 'alknet.node');
const tool = (name, ...args) => execFileSync(name, [...args, addon], { encoding: 'utf8' });
const elf = { skip: process.platform === 'linux' ? false : 'an ELF file is looked at' };

test('it is never unloaded', elf, () => {
  assert.match(tool('readelf', '--dynamic', '--wide'), /\(FLAGS_1\).*NODELETE/);
});

test('it uses no external buffers, which Electron refuses', elf, () => {
  const imported = tool('nm', '--dynamic', '--undefined-only').split('\n').map((line) => line.trim().split(/\s+/).at(-1));
  assert.ok(imported.includes('napi_create_threadsafe_function'), 'this looks at the imports of Node-API');
  assert.deepEqual(imported.filter((name) => /^(napi|node_api)_.*external/.test(name)), []);
  // The define makes any use fail to compile.
  const commands = fs.readFileSync(path.join(root, 'build', 'alknet.target.mk'), 'utf8');
  assert.match(commands, /-DNODE_API_NO_EXTERNAL_BUFFERS_ALLOWED/);
  assert.match(commands, /-DNODE_ADDON_API_ENABLE_MAYBE/);
});

// Of its host it uses Node-API alone, in whose version 8 nothing changes any more: one
// file for every Node.js and every Electron, without a rebuild.
test('what it does not find in the system\'s libraries is Node-API: nothing of V8, libuv or a version of Node.js', elf, () => {
  const undefinedSymbols = tool('nm', '--dynamic', '--undefined-only').trim().split('\n').map((line) => line.trim().split(/\s+/));
  const hosts = undefinedSymbols.filter(([type, name]) => type === 'U' && !name.includes('@')).map(([, name]) => name);
  assert.ok(hosts.length > 20, `${hosts.length} symbols`);
  assert.deepEqual(hosts.filter((name) => !/^napi_[a-z0-9_]+$/.test(name)), []);
  assert.deepEqual(undefinedSymbols.map(([, name]) => name).filter((name) => /v8|^uv_|node_module_register|^_Z.*4node/.test(name)), []);
  const declared = fs.readFileSync(path.join(root, 'build', 'alknet.target.mk'), 'utf8');
  assert.match(declared, /-DNAPI_VERSION=8/);
});

test('it exports what Node.js looks for, and nothing of the engine', elf, () => {
  const exported = tool('nm', '--dynamic', '--defined-only').trim().split('\n').map((line) => line.split(/\s+/));
  assert.deepEqual(exported.map(([, , name]) => name).sort(), ['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
});

test('it needs nothing beyond the system\'s own libraries', elf, () => {
  const needed = [...tool('readelf', '--dynamic', '--wide').matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name);
  assert.deepEqual(needed.filter((name) => !/^(lib(c|m|dl|pthread|resolv|stdc\+\+|gcc_s)\.so|ld-linux)/.test(name)), []);
});

// What the official builds of Node.js 20 to 26 ask for themselves.
const OLDEST = { GLIBC: '2.28', GLIBCXX: '3.4.21', CXXABI: '1.3.9', GCC: '4.2.0' };

test('it loads with the glibc and libstdc++ that Node.js needs itself', elf, () => {
  const newer = (a, b) => a.localeCompare(b, 'en', { numeric: true }) > 0;
  const asked = [...tool('readelf', '--version-info', '--wide').matchAll(/Name: ([A-Z]+)_([\d.]+)\b/g)].map((m) => m.slice(1));
  assert.ok(asked.some(([library]) => library === 'GLIBC'), 'this looks at the versions');
  assert.deepEqual(asked.filter(([library, version]) => !(library in OLDEST) || newer(version, OLDEST[library])), []);
});

test('it has no symbols, and no place for sections that a debugger would read', elf, () => {
  const sections = tool('readelf', '--sections', '--wide');
  assert.match(sections, /\.gopclntab/, 'this looks at the sections');
  assert.doesNotMatch(sections, /\.symtab|\.debug_/);
});

test('requiring it starts nothing that waits, and the first use works at once', { timeout: 60_000 }, async (t) => {
  const script = `
    const { generateKey, parseAddress, serve, connect, version } = require(${JSON.stringify(root)});
    const resources = process.getActiveResourcesInfo().filter((name) => !/Pipe|TTY|FS/.test(name));
    console.log(JSON.stringify([version, resources, process.listenerCount('exit')]));
    if (process.argv[1] === 'use') {
      const key = generateKey();
      const opening = serve({ listen: 'tcp://127.0.0.1:0', authorizedKeys: [key.publicKey] });
      opening.then(async (head) => {
        const node = await connect(head.address, { key: Buffer.from(key.privateKey) });
        console.log(await node.call('/echo/echo', parseAddress(head.address).scheme));
        await node.close();
        await head.close();
      });
    }`;
  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  const loaded = `${JSON.stringify([version, [], 0])}\n`;
  for (const [mode, stdout] of [['load', loaded], ['use', `${loaded}tcp\n`]]) {
    assert.deepEqual(await new Program(t, process.execPath, ['-e', script, mode]).ended, { code: 0, signal: null, stdout, stderr: '' });
  }
});
