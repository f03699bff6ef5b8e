'use strict';
// Finds the binary of this platform.

const fs = require('node:fs');
const { parse } = require('../core/builtins.js');
const path = require('node:path');
const { unpacked } = require('./unpacked.js');

const platform = `${process.platform}-${process.arch}`;
const file = process.platform === 'win32' ? 'alknet.exe' : 'alknet';

// The packages of glibc and musl hold the same static binary, so either will do.
const packages = [`@alkdev/alknet-${platform}`, ...(process.platform === 'linux' ? [`@alkdev/alknet-${platform}-musl`] : [])];

/** The path of the binary that npm installed beside this package, or of a checkout's build; undefined if there is none. Throws where an archive of Electron holds it, or where it is of another release. */
function findBinary() {
  const folders = [];
  for (const name of packages) {
    try {
      folders.push(path.dirname(require.resolve(`${name}/package.json`)));
    } catch {} // not installed
  }
  const own = path.join(__dirname, '..', '..');
  folders.push(own);
  for (const folder of folders) {
    const candidate = unpacked(path.join(folder, 'bin', file));
    if (!fs.existsSync(candidate)) continue;
    const release = releaseOf(folder);
    const version = releaseOf(own);
    if (release === undefined || version === undefined || release === version) return candidate;
    const error = new Error(`alknet: ${candidate} is of alknet ${release} and this package of alknet ${version}: use those of one release.`);
    error.code = 'ERR_ALKNET_ENGINE';
    throw error;
  }
  return undefined;
}

/** The version of the package in a folder; undefined where it does not say. */
function releaseOf(folder) {
  try {
    const { version: release } = parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
    return typeof release === 'string' ? release : undefined;
  } catch {
    return undefined;
  }
}

const NO_BINARY = `alknet: there is no binary for ${platform} here. Install it with \`npm install ${packages[0]}\`, or, if your package manager leaves optional dependencies out, without --omit=optional.`;

module.exports = { findBinary, NO_BINARY };
