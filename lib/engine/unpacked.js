'use strict';
// Where Electron keeps what was left out of an application's archive. Its own `require`
// goes there by itself; what starts a program does not.

const fs = require('node:fs');

const ARCHIVE = /^(.*\.asar)([\\/].*)$/s; // app.asar.unpacked does not match: a separator must follow

/**
 * The path of a program as the system knows it: beside the archive, for one in an archive
 * of Electron. Throws ERR_ALKNET_ENGINE for one that is in the archive and nowhere else.
 */
function unpacked(file) {
  const [, archive, rest] = ARCHIVE.exec(file) ?? [];
  if (archive === undefined || !process.versions.electron || process.noAsar) return file;
  const outside = `${archive}.unpacked${rest}`;
  if (fs.existsSync(outside)) return outside;
  if (!fs.existsSync(file)) return file; // it is nowhere, which the caller tells
  const error = new Error(`alknet: ${file} is inside an archive, from where no program can be started: leave it out of the archive with asarUnpack (electron-builder) or packagerConfig.asar.unpack (Electron Forge).`);
  error.code = 'ERR_ALKNET_ENGINE';
  throw error;
}

module.exports = { unpacked };
