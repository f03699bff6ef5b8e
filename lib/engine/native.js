'use strict';
// Finds and loads the addon of this platform.

const path = require('node:path');
const { parse } = require('../core/builtins.js');
const { addonRefusal } = require('./permission.js');
const { version } = require('../../package.json');

const platform = `${process.platform}-${process.arch}`;

function isMusl() {
  if (process.platform !== 'linux') return false;
  const report = process.report?.getReport();
  return report !== undefined && !report.header.glibcVersionRuntime;
}

let found; // what the one search gave

/** Loads the addon if it can be, and does not wait for it: Go starts on a thread of its own. */
function begin() {
  found ??= search();
}

/** The addon. Its release is asked for here and not by begin(), since it is Go that answers. */
function load() {
  begin();
  if (found.addon === undefined) throw loadError(found.attempts);
  found.release ??= releaseOf(found.addon);
  if (found.release === version) return found.addon;
  throw failure(`alknet: the native addon for ${platform} is of alknet ${found.release} and this package of alknet ${version}: use those of one release.`);
}

/** Whether there is an addon, of whatever release. */
const present = () => found?.addon !== undefined;

function releaseOf(addon) {
  try {
    const { version: release } = parse(addon.invoke('version', new Uint8Array(0))[1]);
    return typeof release === 'string' ? release.slice(0, 64).replace(/[^\x21-\x7e]/g, '?') : 'an unknown release';
  } catch {
    return 'an unknown release';
  }
}

/** The addon where it can be loaded, and the errors of those that cannot. */
function search() {
  const attempts = [];
  for (const candidate of [`@alkdev/alknet-${platform}`, path.join(__dirname, '..', '..', 'build', 'Release', 'alknet.node')]) {
    try {
      return { addon: require(candidate), attempts };
    } catch (cause) {
      if (cause.code !== 'MODULE_NOT_FOUND') attempts.push(cause);
    }
  }
  return { attempts };
}

function loadError(attempts) {
  const refused = attempts.map(addonRefusal).find(Boolean);
  let message;
  if (refused !== undefined) {
    message = refused;
  } else if (isMusl()) {
    message = 'alknet: the native addon cannot be loaded on musl (Alpine): a Go archive needs glibc\'s thread-local storage. Use an image with glibc, such as node:22-slim.';
  } else if (attempts.length > 0) {
    message = `alknet: the native addon for ${platform} could not be loaded: ${attempts[0].message}`;
  } else {
    message = `alknet: there is no native addon for ${platform} here. Install it with \`npm install @alkdev/alknet-${platform}\`, or, if your package manager leaves optional dependencies out, without --omit=optional.`;
  }
  return failure(message, attempts[0]);
}

function failure(message, cause) {
  const error = new Error(message, cause && { cause });
  error.code = 'ERR_ALKNET_ADDON';
  return error;
}

module.exports = { begin, load, present, platform };
