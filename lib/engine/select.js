'use strict';
// The engines of this thread, and which one is used. Nothing is started before the first use.

const fs = require('node:fs');
const { stringify } = require('../core/builtins.js');
const path = require('node:path');
const { Engine } = require('./pipe.js');
const native = require('./native.js');
const { findBinary } = require('./binary.js');
const { missingFlags } = require('./permission.js');
const { version } = require('../../package.json');

const KINDS = ['addon', 'process'];

let running; // the engine in a process
let fallback; // what is used when nobody says which: the addon, or the process where it cannot be loaded

/** Loads the addon ahead of its first use, unless the process is what will be used. */
function begin() {
  if (process.env.ALKNET_ENGINE !== 'process') native.begin();
}

/** The path of the binary whose `engine` is the process. */
function binary() {
  const flags = missingFlags();
  if (flags.length > 0) throw missing(`start node with ${flags.join(' and ')}`);
  const said = process.env.ALKNET_BINARY;
  if (said) {
    if (fs.existsSync(said)) return path.resolve(said);
    throw missing(`the variable ALKNET_BINARY names ${said}, which is not there`);
  }
  const file = findBinary();
  if (file !== undefined) return file;
  throw missing(`there is no binary for ${native.platform} here: install @alkdev/alknet-${native.platform}, or name the program alknet in the variable ALKNET_BINARY`);
}

function missing(why) {
  const error = new Error(`alknet: the engine cannot run as a process: ${why}.`);
  error.code = 'ERR_ALKNET_ENGINE';
  return error;
}

/** What is said by an option or by ALKNET_ENGINE; undefined when nothing is. */
function kindOf(option) {
  if (option !== undefined) {
    if (!KINDS.includes(option)) throw new TypeError(`the option engine must be 'addon' or 'process', and is ${typeof option === 'string' ? stringify(option.slice(0, 40)) : `of type ${typeof option}`}`);
    return option;
  }
  const said = process.env.ALKNET_ENGINE;
  if (!said) return undefined;
  if (!KINDS.includes(said)) throw new TypeError(`the variable ALKNET_ENGINE must be addon or process, and is ${stringify(said.slice(0, 40))}`);
  return said;
}

function defaultKind() {
  try {
    native.load();
    return 'addon';
  } catch (cause) {
    if (native.present()) throw cause; // of another release: the binary is not better
    try {
      binary();
      return 'process';
    } catch (error) {
      const both = new Error(`${cause.message}\n${error.message}`, { cause });
      both.code = 'ERR_ALKNET_ENGINE';
      throw both;
    }
  }
}

/** The engine that nodes and stores are made with: of the kind that the option says, or that is used when nothing is said. */
function engineOf(option) {
  const kind = kindOf(option) ?? (fallback ??= defaultKind());
  if (kind === 'addon') {
    const addon = native.load();
    // The addon is one per thread, this module may be there again: a test runner that
    // resets modules, two installed copies that find one addon. They share its pipe.
    return addon.engine ??= new Engine(kind, () => addon);
  }
  if (running === undefined || running.lost) {
    const { EngineProcess } = require('./process.js');
    running = new Engine(kind, (onGone) => new EngineProcess(binary(), onGone, { version }));
  }
  return running;
}

/** The engine of a node: that of what it is made with, which must be one and the one that the option says. */
function engineFor(option, parts) {
  const kind = option === undefined ? undefined : kindOf(option);
  let engine;
  for (const [name, of] of Object.entries(parts)) {
    if (of === undefined) continue;
    if (kind !== undefined && of.kind !== kind) throw new TypeError(`the option ${name} is of the engine '${of.kind}', and the option engine is '${kind}': leave it out, or make both with one`);
    if (engine !== undefined && of !== engine) throw new TypeError(`the options ${Object.keys(parts).join(' and ')} are of different engines: make both with one`);
    engine = of;
  }
  return engine ?? engineOf(option);
}

module.exports = { begin, engineOf, engineFor };
