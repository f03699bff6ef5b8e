'use strict';
// Refusals of Node.js's permission model, in words that name the flag that is missing.

const FLAGS = {
  WorkerThreads: ['start the thread of the engine\'s process', '--allow-worker'],
  ChildProcess: ['start the engine\'s process', '--allow-child-process'],
};

/** What is missing, as a sentence, where `error` is such a refusal; undefined where it is not. */
function refusal(error) {
  if (error?.code === 'ERR_DLOPEN_DISABLED') {
    if (process.execArgv.includes('--no-addons')) return 'alknet may not load its native addon: start node without --no-addons.';
    return 'alknet may not load its native addon: start node with --allow-addons.';
  }
  if (error?.code !== 'ERR_ACCESS_DENIED' || !Object.hasOwn(FLAGS, error.permission)) return undefined;
  const [what, flag] = FLAGS[error.permission];
  return `alknet may not ${what}: start node with ${flag}.`;
}

module.exports = { refusal };
