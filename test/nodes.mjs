// node test/nodes.mjs [--engines addon,process] MAJOR… [-- TEST…]: runs the JavaScript
// tests, or those named, with other Node.js versions, all with the one built addon or,
// if told so, with each engine.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeOf } from './node-versions.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const end = args.includes('--') ? args.indexOf('--') : args.length;
const { values, positionals: majors } = parseArgs({ args: args.slice(0, end), allowPositionals: true, options: { engines: { type: 'string' } } });
const named = args.slice(end + 1);
const tests = named.length > 0 ? named : fs.readdirSync(path.join(root, 'test', 'js')).filter((name) => name.endsWith('.test.mjs')).map((name) => `test/js/${name}`);
const failed = [];

for (const major of majors) {
  const node = nodeOf(major);
  const version = execFileSync(node, ['-p', 'process.version'], { encoding: 'utf8' }).trim();
  for (const engine of values.engines?.split(',') ?? [undefined]) {
    const run = engine === undefined ? version : `${version} with the engine ${engine}`;
    console.log(`== Node.js ${run}`);
    const env = engine === undefined ? process.env : { ...process.env, ALKNET_ENGINE: engine };
    const { status } = spawnSync(node, ['--test', '--test-reporter=spec', '--test-timeout=300000', ...tests], { cwd: root, stdio: 'inherit', env });
    if (status !== 0) failed.push(run);
  }
}
if (failed.length > 0) {
  console.error(`failed: ${failed.join(', ')}`);
  process.exit(1);
}
