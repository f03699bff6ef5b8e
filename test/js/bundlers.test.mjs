// The packages as published, under other people's tools: bundlers, TypeScript, loaders,
// test runners, the permission model. The blocks of docs/guide/bundlers.md that name a
// file run here. GOLDEN_UPDATE=1 writes the table of attw anew.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { installPacked, node } from './fixtures/packed.mjs';
import { root } from './fixtures/program.mjs';

const tools = path.join(root, '.ci', 'tools', 'node_modules');
const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
const platformPackage = `@alkdev/alknet-${process.platform}-${process.arch}`;

const page = fs.readFileSync(path.join(root, 'docs', 'guide', 'bundlers.md'), 'utf8');
const blocks = Object.fromEntries([...page.matchAll(/^```js (\S+)\n([^]*?)^```$/gm)].map(([, name, text]) => [name, text]));

const { tarballs, project } = installPacked();

// What every bundle and every loader runs: a head, a connection to it, and its answers.
const app = `
import alknet, { connect, serve, generateKey, AlknetError, version } from 'alknet';
const key = generateKey();
const head = await serve({ listen: 'tcp://127.0.0.1:0', authorizedKeys: [key.publicKey] });
const node = await connect(head.address, { key: Buffer.from(key.privateKey) });
const error = await node.call('/no/thing').catch((e) => e);
console.log(await node.call('/echo/echo', version), error instanceof AlknetError, error.code, alknet.connect === connect);
await node.close();
await head.close();
`;
const printed = `${version} true NOT_FOUND true\n`;

before(() => {
  // The tools are those of the repository; the package is the installed one.
  fs.mkdirSync(path.join(project, 'node_modules', '@types'));
  for (const name of ['@types/node', 'undici-types']) fs.symlinkSync(path.join(root, 'node_modules', name), path.join(project, 'node_modules', name));
  for (const name of ['esbuild', 'webpack', 'rollup']) fs.symlinkSync(path.join(tools, name), path.join(project, 'node_modules', name));
  for (const [name, text] of Object.entries(blocks)) fs.writeFileSync(path.join(project, name), text);
  write('app.mjs', app);
  write('app.cjs', `(async () => {${app.replace(/^import alknet, (\{.*\}) from 'alknet';$/m, "const alknet = require('alknet'); const $1 = alknet;")}})();`);
});

function write(name, text) {
  const file = path.join(project, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
  return file;
}

function runs(...args) {
  const { status, stdout, stderr } = node(project, ...args);
  assert.deepEqual({ stdout, status }, { stdout: printed, status: 0 }, stderr);
}

describe('the packages hold up to the linters of packages', () => {
  test('attw finds the types in every mode of resolution, with no network', () => {
    const attw = path.join(tools, '.bin', 'attw');
    // Nothing listens there: were it to ask a registry, it would fail.
    const env = { ...process.env, npm_config_registry: 'http://127.0.0.1:9/' };
    const { status, stdout, stderr } = spawnSync(process.execPath, [attw, tarballs[0], '--format', 'ascii', '--no-color', '--no-emoji'], { encoding: 'utf8', env });
    const table = stdout.replace(`v${version}`, 'vVERSION').replace(/[ \t]+$/gm, '').trim().concat('\n');
    const golden = path.join(root, 'test', 'js', 'testdata', 'attw.txt');
    if (process.env.GOLDEN_UPDATE) fs.writeFileSync(golden, table);
    assert.equal(table, fs.readFileSync(golden, 'utf8'));
    assert.equal(status, 0, stderr);
  });

  test('publint finds nothing', async () => {
    const load = (name) => import(pathToFileURL(path.join(tools, 'publint', 'src', name)));
    const [{ publint }, { formatMessage }] = await Promise.all(['index-node.js', 'utils.js'].map(load));
    const installed = path.join(project, 'node_modules', 'alknet');
    const { messages, pkg } = await publint({ pkgDir: installed, pack: false, level: 'suggestion', strict: true });
    assert.equal(pkg.version, version);
    assert.deepEqual(messages.map((message) => `${message.type}: ${formatMessage(message, pkg, { color: false })}`), []);
    const platform = await publint({ pkgDir: path.join(project, 'node_modules', platformPackage), pack: false, level: 'warning', strict: true });
    assert.deepEqual(platform.messages, []);
  });
});

describe('Node.js loads it', () => {
  test('as an ES module and as CommonJS', () => {
    runs('app.mjs');
    runs('app.cjs');
    runs('-e', "import('./app.mjs')");
  });

  test('without require() of ES modules', () => {
    if (process.allowedNodeEnvironmentFlags.has('--experimental-require-module')) runs('--no-experimental-require-module', 'app.cjs');
    const lib = path.join(project, 'node_modules', 'alknet', 'lib');
    const required = fs.readdirSync(lib, { recursive: true }).filter((name) => name.endsWith('.js')).flatMap((name) => [...fs.readFileSync(path.join(lib, name), 'utf8').matchAll(/\brequire\('([^']+)'\)/g)].map((m) => m[1]));
    assert.ok(required.length > 30, `${required.length} requires`);
    assert.deepEqual(required.filter((name) => !/^node:|^\.\.?\/[\w./-]+\.(js|json)$/.test(name)), []);
  });

  test('through hooks that hand on the source of every module, CommonJS included', () => {
    write('hooks.mjs', `
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
export async function resolve(specifier, context, next) { return next(specifier, context); }
export async function load(url, context, next) {
  const loaded = await next(url, context);
  if (loaded.format === 'commonjs' && loaded.source == null && url.startsWith('file:')) return { ...loaded, source: await readFile(fileURLToPath(url)) };
  return loaded;
}`);
    write('register.mjs', "import { register } from 'node:module'; register('./hooks.mjs', import.meta.url);");
    runs('--import', './register.mjs', 'app.mjs');
    runs('--import', './register.mjs', 'app.cjs');
  });
});

describe('modules that are loaded twice', () => {
  test('two installed copies share the engine of the thread, and know each other\'s errors', () => {
    fs.cpSync(path.join(project, 'node_modules', 'alknet'), path.join(project, 'second', 'alknet'), { recursive: true });
    write('copies.cjs', `
const one = require('alknet'), two = require('./second/alknet');
if (one === two || one.connect === two.connect) throw new Error('one copy');
(async () => {
  const key = one.generateKey();
  const head = await one.serve({ listen: 'tcp://127.0.0.1:0', authorizedKeys: [key.publicKey] });
  const node = await two.connect(head.address, { key: Buffer.from(key.privateKey) });
  const error = await node.call('/no/thing').catch((e) => e);
  console.log(await node.call('/echo/echo', two.version), error instanceof one.AlknetError && error instanceof two.AlknetError, error.code, true);
  await node.close();
  await head.close();
})();`);
    runs('copies.cjs');
  });

  test('a runner that resets its registry, with a context of its own and vm modules', () => {
    // As Jest does it: CommonJS compiled into a context, which has the Uint8Array of
    // Node.js; addons are required for real.
    write('runner.mjs', `
import fs from 'node:fs';
import { createRequire, builtinModules } from 'node:module';
import path from 'node:path';
import vm from 'node:vm';

function runner() {
  const context = vm.createContext({ process, Buffer, Uint8Array, ArrayBuffer, setImmediate, clearImmediate, setTimeout, clearTimeout, queueMicrotask, AbortController, AbortSignal, Event, EventTarget, URL, console });
  const registry = new Map();
  const load = (file) => {
    if (file.endsWith('.node')) return createRequire(file)(file);
    if (file.endsWith('.json')) return JSON.parse(fs.readFileSync(file, 'utf8'));
    if (!registry.has(file)) {
      const module = { exports: {} };
      registry.set(file, module);
      const real = createRequire(file);
      const require = (name) => name.startsWith('node:') || builtinModules.includes(name) ? real(name) : load(real.resolve(name));
      require.resolve = real.resolve;
      vm.compileFunction(fs.readFileSync(file, 'utf8'), ['exports', 'require', 'module', '__filename', '__dirname'], { parsingContext: context, filename: file })(module.exports, require, module, file, path.dirname(file));
    }
    return registry.get(file).exports;
  };
  return { context, load };
}

const entry = createRequire(import.meta.url).resolve('alknet');
const results = [];
for (let round = 0; round < 3; round++) {
  const { context, load } = runner();
  const common = load(entry);
  const esm = new vm.SourceTextModule(fs.readFileSync(path.join(path.dirname(entry), 'index.mjs'), 'utf8'), { context });
  await esm.link((specifier) => {
    if (specifier !== './index.js') throw new Error(specifier);
    return new vm.SyntheticModule(['default'], function () { this.setExport('default', common); }, { context });
  });
  await esm.evaluate();
  const { serve, connect, generateKey, AlknetError, version } = esm.namespace;
  const key = generateKey();
  const head = await serve({ listen: 'tcp://127.0.0.1:0', authorizedKeys: [key.publicKey] });
  const node = await connect(head.address, { key: Buffer.from(key.privateKey) });
  const error = await node.call('/no/thing').catch((e) => e);
  results.push([await node.call('/echo/echo', version), error instanceof AlknetError, error.code, common.connect === connect].join(' '));
  await node.close();
  await head.close();
}
if (new Set(results).size !== 1) throw new Error(results.join('; '));
console.log(results[0]);`);
    runs('--experimental-vm-modules', '--no-warnings', 'runner.mjs');
  });
});

describe('bundlers', () => {
  const build = (...args) => {
    const { status, stdout, stderr } = node(project, ...args);
    assert.equal(status, 0, stdout + stderr);
  };

  test('every block of the page is run', () => {
    assert.deepEqual(Object.keys(blocks).sort(), ['esbuild-bundled.mjs', 'esbuild-external.mjs', 'rollup.config.mjs', 'webpack.config.mjs']);
  });

  test('esbuild, alknet left out', () => {
    build('esbuild-external.mjs');
    assert.match(fs.readFileSync(path.join(project, 'out', 'external.mjs'), 'utf8'), /from "alknet"/);
    runs('out/external.mjs');
  });

  test('esbuild, its JavaScript taken in', () => {
    build('esbuild-bundled.mjs');
    for (const name of ['out/bundled.cjs', 'out/bundled.mjs']) {
      assert.doesNotMatch(fs.readFileSync(path.join(project, name), 'utf8'), /(from |require\()['"]alknet['"]/);
      // No copy of the package is near: what runs is in the bundle.
      const alone = path.join(project, 'alone');
      fs.mkdirSync(path.join(alone, 'node_modules'), { recursive: true });
      fs.rmSync(path.join(alone, 'node_modules', '@alkdev'), { force: true });
      fs.symlinkSync(path.join(project, 'node_modules', '@alkdev'), path.join(alone, 'node_modules', '@alkdev'));
      fs.copyFileSync(path.join(project, name), path.join(alone, path.basename(name)));
      runs(path.join(alone, path.basename(name)));
    }
  });

  test('webpack', () => {
    write('webpack.run.mjs', `
import webpack from 'webpack';
import config from './webpack.config.mjs';
webpack(config, (error, stats) => {
  if (!error && !stats.hasErrors() && !stats.hasWarnings()) return;
  console.error(error ?? stats.toString());
  process.exitCode = 1;
});`);
    build('webpack.run.mjs');
    runs('out/webpack.cjs');
  });

  test('Rollup', () => {
    build(path.join(tools, 'rollup', 'dist', 'bin', 'rollup'), '--config', 'rollup.config.mjs', '--silent');
    runs('out/rollup.mjs');
  });
});

describe('TypeScript', () => {
  // One set of the standard declarations for all.
  const kept = new Map();
  function compile(files, options) {
    const all = {
      target: ts.ScriptTarget.ES2022, lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'], strict: true, skipLibCheck: false,
      types: ['node'], outDir: path.join(project, 'ts-out'), rootDir: project, ...options,
    };
    const host = ts.createCompilerHost(all);
    const get = host.getSourceFile.bind(host);
    host.getCurrentDirectory = () => project;
    host.getSourceFile = (name, ...rest) => {
      if (!name.includes('/typescript/lib/')) return get(name, ...rest);
      if (!kept.has(name)) kept.set(name, get(name, ...rest));
      return kept.get(name);
    };
    const program = ts.createProgram(files, all, host);
    // Checked are what is compiled here and the declarations of the package.
    const checked = program.getSourceFiles().filter(({ fileName }) => !/\/(typescript\/lib|@types|undici-types)\//.test(fileName));
    assert.ok(checked.some(({ fileName }) => fileName.includes('/alknet/lib/index.d.')), 'the declarations are looked at');
    const found = [...program.getOptionsDiagnostics(), ...checked.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])];
    assert.equal(ts.formatDiagnostics(found, { getCurrentDirectory: () => project, getCanonicalFileName: (name) => name, getNewLine: () => '\n' }), '');
    program.emit();
  }

  // The declarations are those of the package: a mistake must be one (an expected error
  // that is none is itself an error).
  const body = (prefix) => `
const key: alk.GeneratedKey = ${prefix}generateKey('laptop');
// @ts-expect-error a number is no address
void (() => ${prefix}connect(1));
export async function main(): Promise<void> {
  const head: alk.Server = await ${prefix}serve({ listen: 'tcp://127.0.0.1:0', authorizedKeys: [key.publicKey] });
  const node: alk.Connection = await ${prefix}connect(head.address, { key: Buffer.from(key.privateKey) });
  const error: unknown = await node.call('/no/thing').catch((e: unknown) => e);
  const same: boolean = ${prefix}connect === again.connect;
  console.log(await node.call<string>('/echo/echo', ${prefix}version), error instanceof ${prefix}AlknetError, error instanceof ${prefix}AlknetError && error.code, same);
  await node.close();
  await head.close();
}
void main();
`;
  const named = "import { connect, serve, generateKey, AlknetError, version } from 'alknet';\nimport type * as alk from 'alknet';\n";
  const asModule = `${named}import again from 'alknet';${body('')}`;
  const asCommon = `import alk = require('alknet');\nconst again = alk;${body('alk.')}`;
  const namespace = `${named}import * as again from 'alknet';${body('')}`;

  for (const [name, options, sources] of [
    ['nodenext', { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext }, { 'a.mts': asModule, 'a.cts': asCommon, 'b.cts': namespace }],
    ['node16', { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 }, { 'c.mts': asModule, 'c.cts': asCommon }],
    ['bundler', { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler }, { 'd.mts': asModule }],
    ['node10 with module commonjs', { module: ts.ModuleKind.CommonJS, moduleResolution: ts.ModuleResolutionKind.Node10 }, { 'e.ts': asCommon, 'f.ts': namespace }],
    ['node10 with module commonjs and esModuleInterop', { module: ts.ModuleKind.CommonJS, moduleResolution: ts.ModuleResolutionKind.Node10, esModuleInterop: true }, { 'g.ts': asModule }],
  ]) {
    test(`moduleResolution ${name}: it compiles, and what comes out runs`, () => {
      compile(Object.entries(sources).map(([file, text]) => write(file, text)), options);
      for (const file of Object.keys(sources)) runs(path.join('ts-out', file.replace(/ts$/, 'js')));
    });
  }
});

describe('the permission model', () => {
  const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';
  const read = () => `--allow-fs-read=${project}/*`; // a folder alone is not its content in Node.js 20

  test('with the flags that the page names it works, as an addon and as a process', () => {
    const table = [...page.matchAll(/^\| `(--allow-[\w-]+)`/gm)].map((m) => m[1]);
    assert.deepEqual(table, ['--allow-fs-read', '--allow-addons', '--allow-worker', '--allow-child-process']);
    for (const file of ['app.mjs', 'app.cjs']) {
      runs({ ALKNET_ENGINE: 'addon' }, '--no-warnings', flag, read(), '--allow-addons', file);
      runs({ ALKNET_ENGINE: 'process' }, '--no-warnings', flag, read(), '--allow-worker', '--allow-child-process', file);
    }
  });

  test('where no addon may be loaded the process is used, if that may be started', () => {
    runs('--no-warnings', flag, read(), '--allow-worker', '--allow-child-process', 'app.cjs');
    runs('--no-addons', 'app.cjs');
  });

  test('without a flag the error names it', () => {
    write('tell.cjs', "try { require('alknet').generateKey(); console.log('loaded'); } catch (error) { console.log(error.code, error.message); }");
    const told = (...args) => node(project, '--no-warnings', ...args, 'tell.cjs').stdout;
    const addon = 'alknet: the native addon may not be loaded: start node with --allow-addons.\n';
    const engine = (flags) => `alknet: the engine cannot run as a process: start node with ${flags}.\n`;
    assert.equal(told(flag, read(), { ALKNET_ENGINE: 'addon' }), `ERR_ALKNET_ADDON ${addon}`);
    assert.equal(told('--no-addons', { ALKNET_ENGINE: 'addon' }), 'ERR_ALKNET_ADDON alknet: the native addon may not be loaded: start node without --no-addons.\n');
    assert.equal(told(flag, read(), '--allow-worker', { ALKNET_ENGINE: 'process' }), `ERR_ALKNET_ENGINE ${engine('--allow-child-process')}`);
    assert.equal(told(flag, read(), '--allow-child-process', { ALKNET_ENGINE: 'process' }), `ERR_ALKNET_ENGINE ${engine('--allow-worker')}`);
    assert.equal(told(flag, read()), `ERR_ALKNET_ENGINE ${addon}${engine('--allow-worker and --allow-child-process')}`);
  });
});
