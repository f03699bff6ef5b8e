// node test/nodes.mjs [--engines addon,process] MAJOR…: runs the JavaScript tests with
// other Node.js versions, all with the one built addon or, if told so, with each engine.
// The versions come from npm, into build/nodes.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = path.join(root, 'build', 'nodes');
const tests = fs.readdirSync(path.join(root, 'test', 'js')).filter((name) => name.endsWith('.test.mjs')).map((name) => `test/js/${name}`);
const failed = [];
const { values, positionals } = parseArgs({ allowPositionals: true, options: { engines: { type: 'string', default: 'addon' } } });

for (const major of positionals) {
  const alias = `node${major}`;
  const node = path.join(folder, 'node_modules', alias, 'bin', 'node');
  if (!fs.existsSync(node)) {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'package.json'), '{"private":true}');
    execFileSync('npm', ['install', '--ignore-scripts', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--prefix', folder,
      ...installed(), `${alias}@npm:node-${process.platform}-${process.arch}@${major}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const version = execFileSync(node, ['-p', 'process.version'], { encoding: 'utf8' }).trim();
  for (const engine of values.engines.split(',')) {
    console.log(`== Node.js ${version}, ${engine}`);
    const { status } = spawnSync(node, ['--test', '--test-reporter=spec', '--test-timeout=300000', ...tests], { cwd: root, stdio: 'inherit', env: { ...process.env, ALKNET_ENGINE: engine } });
    if (status !== 0) failed.push(`${version} with ${engine}`);
  }
}
if (failed.length > 0) {
  console.error(`failed with ${failed.join(', ')}`);
  process.exit(1);
}

// What is there already is named again: npm removes what it is not told to keep.
function installed() {
  const modules = path.join(folder, 'node_modules');
  if (!fs.existsSync(modules)) return [];
  return fs.readdirSync(modules).filter((name) => /^node\d+$/.test(name)).map((name) => `${name}@npm:node-${process.platform}-${process.arch}@${name.slice(4)}`);
}
