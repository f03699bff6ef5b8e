'use strict';
// Refusals of Node.js's permission model, in words that name the flag that is missing.

/** What to do, as a sentence, where `error` is that no addon may be loaded; undefined where it is not. */
function addonRefusal(error) {
  if (error?.code !== 'ERR_DLOPEN_DISABLED') return undefined;
  const flag = process.execArgv.includes('--no-addons') ? 'without --no-addons' : 'with --allow-addons';
  return `alknet: the native addon may not be loaded: start node ${flag}.`;
}

/** The flags without which the engine cannot be a process. */
function missingFlags() {
  const scopes = { worker: '--allow-worker', child: '--allow-child-process' };
  return Object.keys(scopes).filter((scope) => process.permission?.has(scope) === false).map((scope) => scopes[scope]);
}

module.exports = { addonRefusal, missingFlags };
