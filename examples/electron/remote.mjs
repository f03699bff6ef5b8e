// The main process' side of utility.mjs: the same methods as those of a backend.

/** Starts a backend in `child`, of utilityProcess.fork(). The phrase is copied on its way; wipe what you have. */
export async function startBackend(child, options) {
  const waiting = new Map();
  let last = 0;
  let gone;

  const ended = new Promise((resolve) => child.once('exit', (code) => {
    gone = Object.assign(new Error(`the process of the node has ended with code ${code}`), { code: 'UNAVAILABLE' });
    for (const { reject } of waiting.values()) reject(gone);
    waiting.clear();
    resolve();
  }));
  child.on('message', ({ number, value, error }) => {
    const { resolve, reject } = waiting.get(number);
    waiting.delete(number);
    if (error) reject(Object.assign(new Error(error.message), { code: error.code }));
    else resolve(value);
  });

  function request(method, ...values) {
    if (gone) return Promise.reject(gone);
    return new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      child.postMessage({ number: last, method, values });
    });
  }

  await request('start', options);
  return {
    request,
    async close() {
      await request('close').catch(() => {}); // it may have gone already
      await ended;
    },
  };
}
