// Other versions of Node.js, from npm into build/nodes.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../build/nodes', import.meta.url));

/** The program of a major version, for another processor too: its path. It is installed if it is not there. */
export function nodeOf(major, arch = process.arch) {
  const where = path.join(folder, arch);
  const node = path.join(where, 'node_modules', `node${major}`, 'bin', 'node');
  if (!fs.existsSync(node)) {
    fs.mkdirSync(where, { recursive: true });
    fs.writeFileSync(path.join(where, 'package.json'), '{"private":true}');
    // What is there already is named again: npm removes what it is not told to keep.
    const majors = new Set([...installed(where), String(major)]);
    execFileSync('npm', ['install', '--ignore-scripts', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--prefix', where,
      ...(arch === process.arch ? [] : ['--force']), ...[...majors].map((m) => `node${m}@npm:node-${process.platform}-${arch}@${m}`)], { stdio: ['ignore', 'ignore', 'pipe'] });
  }
  return node;
}

function installed(where) {
  const modules = path.join(where, 'node_modules');
  if (!fs.existsSync(modules)) return [];
  return fs.readdirSync(modules).filter((name) => /^node\d+$/.test(name)).map((name) => name.slice(4));
}
