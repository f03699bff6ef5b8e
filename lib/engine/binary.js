'use strict';
// Finds the binary of this platform.

const fs = require('node:fs');
const path = require('node:path');
const { unpacked } = require('./unpacked.js');

const platform = `${process.platform}-${process.arch}`;
const file = process.platform === 'win32' ? 'alknet.exe' : 'alknet';

// The packages of glibc and musl hold the same static binary, so either will do.
const packages = [`@alkdev/alknet-${platform}`, ...(process.platform === 'linux' ? [`@alkdev/alknet-${platform}-musl`] : [])];

/** The path of the binary that npm installed beside this package, or of a checkout's build; undefined if there is none. Throws where an archive of Electron holds it. */
function findBinary() {
  const folders = [];
  for (const name of packages) {
    try {
      folders.push(path.dirname(require.resolve(`${name}/package.json`)));
    } catch {} // not installed
  }
  folders.push(path.join(__dirname, '..', '..'));
  return folders.map((folder) => unpacked(path.join(folder, 'bin', file))).find((candidate) => fs.existsSync(candidate));
}

const NO_BINARY = `alknet: there is no binary for ${platform} here. Install it with \`npm install ${packages[0]}\`, or, if your package manager leaves optional dependencies out, without --omit=optional.`;

module.exports = { findBinary, NO_BINARY };
