// node binding/packages/sizes.mjs [--write]: what the addon and the binary of this
// platform are made of, from builds of the same flags that keep their symbols
// (build/sizes/alknet.so and build/sizes/alknet, `make sizes`). --write puts the tables
// into docs/sizes.md. It fails when one is over its limit.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { root } from './platforms.mjs';

const LIMITS = { addon: 16e6, binary: 24e6 };
const shipped = { addon: path.join(root, 'build', 'Release', 'alknet.node'), binary: path.join(root, 'bin', 'alknet') };
const symbols = { addon: path.join(root, 'build', 'sizes', 'alknet.so'), binary: path.join(root, 'build', 'sizes', 'alknet') };
const SMALLEST = 10_000; // bytes that a module needs for a row

const tool = (command, ...args) => execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
const megabytes = (bytes) => (bytes / 1e6).toFixed(2);

/** The sections of an ELF file: { name, address, size, kept } where kept says whether the file has their bytes. */
function sections(file) {
  return [...tool('readelf', '--sections', '--wide', file).matchAll(/^ +\[ *\d+\] (\S+) +(\S+) +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)/gm)]
    .map(([, name, type, address, size]) => ({ name, address: parseInt(address, 16), size: parseInt(size, 16), kept: type !== 'NOBITS' }));
}

const standard = [
  [/^(runtime|internal\/runtime)(\/|$)/, 'Go: runtime'], [/^(vendor\/golang\.org\/x\/)?crypto(\/|$)/, 'Go: crypto'], [/^(vendor\/golang\.org\/x\/net|net|internal\/poll)(\/|$)/, 'Go: net'],
  [/^(encoding|fmt|reflect|regexp|strconv|internal\/strconv|slices|math|unicode|time|log)(\/|$)/, 'Go: encoding, fmt, math, reflect, regexp, slices, time, unicode'],
];

/** Bytes of code and data for each module, largest first. */
function modules(file) {
  const absent = sections(file).filter(({ kept, address }) => !kept && address > 0);
  const deps = JSON.parse(tool('go', 'version', '-m', '-json', file)).Deps.map(({ Path }) => Path).sort((a, b) => b.length - a.length);
  const total = new Map();
  for (const [, address, size, name] of tool('go', 'tool', 'nm', '-size', file).matchAll(/^ *([0-9a-f]+) +(\d+) \S (.*)$/gm)) {
    const at = parseInt(address, 16);
    if (/^(go|type|typerel|runtime\.pclntab|runtime\.(e?text|findfunctab))[:.]/.test(name) || absent.some((s) => at >= s.address && at < s.address + s.size)) continue;
    const plain = name.replace(/\[.*/, '').replace(/^go\.shape\./, '');
    const slash = plain.lastIndexOf('/');
    const dot = plain.indexOf('.', slash + 1);
    if (dot < 0) continue; // C
    const pkg = plain.slice(0, dot);
    const module = pkg === 'main' || pkg.startsWith('github.com/alkdev/alknet') ? 'alknet' : deps.find((d) => pkg === d || pkg.startsWith(`${d}/`))
      ?? standard.find(([pattern]) => pattern.test(pkg))?.[1] ?? 'Go: the rest';
    total.set(module, (total.get(module) ?? 0) + Number(size));
  }
  return total;
}

const table = (head, rows) => [`| ${head.join(' | ')} |`, `| --- |${' ---: |'.repeat(head.length - 1)}`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');

const kinds = Object.keys(shipped);
const bySection = Object.fromEntries(kinds.map((kind) => [kind, new Map(sections(shipped[kind]).filter(({ kept }) => kept).map(({ name, size }) => [name, size]))]));
const WHAT = {
  '.text': 'code', '.gopclntab': 'names and lines of functions, for stack traces and the collector', '.rela.dyn': 'places that the loader adjusts: the addon may lie anywhere',
  '.data.rel.ro': 'types', '.rodata': 'constants; in the binary types too', '.noptrdata': 'tables', '.data': 'variables',
};
const sectionRows = Object.entries(WHAT).map(([name, what]) => [`\`${name}\`: ${what}`, ...kinds.map((kind) => megabytes(bySection[kind].get(name) ?? 0))]);
const sizes = Object.fromEntries(kinds.map((kind) => [kind, fs.statSync(shipped[kind]).size]));
sectionRows.push(['**the file**', ...kinds.map((kind) => `**${megabytes(sizes[kind])}**`)]);

const byModule = Object.fromEntries(kinds.map((kind) => [kind, modules(symbols[kind])]));
const names = [...new Set(kinds.flatMap((kind) => [...byModule[kind].keys()]))].sort((a, b) => (byModule.binary.get(b) ?? 0) - (byModule.binary.get(a) ?? 0));
const moduleRows = names.filter((name) => kinds.some((kind) => byModule[kind].get(name) >= SMALLEST)).map((name) => [name.startsWith('Go') || name === 'alknet' ? name : `\`${name}\``, ...kinds.map((kind) => megabytes(byModule[kind].get(name) ?? 0))]);

const text = `${table(['section, MB', ...kinds], sectionRows)}\n\nCode and data by module, without the tables above:\n\n${table(['module, MB', ...kinds], moduleRows)}`;
console.log(text);
if (process.argv.includes('--write')) {
  const page = path.join(root, 'docs', 'sizes.md');
  const tables = /(?<=<!-- tables -->\n)[^]*(?=<!-- end of tables -->)/;
  const content = fs.readFileSync(page, 'utf8');
  if (!tables.test(content)) throw new Error(`${page} has no place for the tables`);
  fs.writeFileSync(page, content.replace(tables, () => `${text}\n`));
}
const over = kinds.filter((kind) => sizes[kind] > LIMITS[kind]);
for (const kind of over) console.error(`the ${kind} has ${megabytes(sizes[kind])} MB, more than ${megabytes(LIMITS[kind])}`);
process.exit(over.length);
