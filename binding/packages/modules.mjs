// What a platform's files are made of, as the binary says itself, and under which licences.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { built, root } from './platforms.mjs';

const go = (...args) => execFileSync('go', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 24 });

/**
 * What is compiled into a platform's files: { purl, name, version, licence, folder }. The binary names its Go modules; the addon's are some of them. Go itself follows, and
 * node-addon-api where there is an addon.
 */
export function components(platform) {
  const { GoVersion, Deps } = JSON.parse(go('version', '-m', '-json', built(platform).binary));
  const licences = licencesOfPage();
  const folders = new Map(go('list', '-m', '-f', '{{.Path}}\t{{.Dir}}', ...Deps.map((d) => d.Path)).trim().split('\n').map((line) => line.split('\t')));
  const modules = Deps.map((d) => {
    const licence = licences.get(d.Path);
    if (licence === undefined) throw new Error(`docs/dependencies.md does not give the licence of ${d.Path}`);
    return { name: d.Path, purl: `pkg:golang/${d.Path}@${d.Version}`, version: d.Version, licence, folder: folders.get(d.Path) };
  });
  const standard = { name: 'Go and its standard library', purl: `pkg:golang/std@${GoVersion.replace(/^go/, '')}`, version: GoVersion.replace(/^go/, ''), licence: 'BSD-3-Clause', folder: go('env', 'GOROOT').trim() };
  return [...modules, standard, ...(platform.addon ? [nodeAddonApi()] : [])];
}

function nodeAddonApi() {
  const folder = path.join(root, 'node_modules', 'node-addon-api');
  const { name, version, license } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  return { name, purl: `pkg:npm/${name}@${version}`, version, licence: license, folder };
}

// The tables of docs/dependencies.md: a module's line has its licence in one column.
function licencesOfPage() {
  const page = fs.readFileSync(path.join(root, 'docs', 'dependencies.md'), 'utf8');
  const found = new Map();
  for (const [, module, rest] of page.matchAll(/^\| `?([\w.-]+\.[a-z]+\/[^`| ]+)`? \| (.*)$/gm)) {
    const licence = rest.split(' | ').map((cell) => cell.replace(/ \|$/, '')).find((cell) => /^(MIT|ISC|Apache-2\.0|BSD-[23]-Clause)$/.test(cell));
    if (licence !== undefined) found.set(module, licence);
  }
  return found;
}

/** The licence texts of everything in a platform's files, which most of the licences ask to pass on. */
export function notices(platform) {
  const parts = ['alknet contains the software named below, under these licences.\n'];
  for (const { name, version, licence, folder } of components(platform)) {
    const files = fs.readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice|patents)/i.test(file)).sort();
    if (!files.some((file) => /^(licen[cs]e|copying)/i.test(file))) throw new Error(`${name} ${version} has no licence file in ${folder}`);
    const title = `${name} ${version} (${licence})`;
    const line = '='.repeat(title.length);
    parts.push(`${line}\n${title}\n${line}\n`, ...files.map((file) => `${fs.readFileSync(path.join(folder, file), 'utf8').trim()}\n`));
  }
  return parts.join('\n');
}
