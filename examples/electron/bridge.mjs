// The main process' side of the windows: who may ask, and what happens to their
// subscriptions when they go.

const CHANNEL = 'alknet';
const METHODS = new Set(['call', 'open', 'next', 'stop']);

/** Answers windows whose page `isOurs` accepts. Gives a function that ends it. */
export function expose(ipcMain, backend, isOurs) {
  const opened = new Map(); // a window's contents -> its subscriptions

  function forget(contents) {
    for (const number of opened.get(contents) ?? []) backend.request('stop', number).catch(() => {});
    opened.get(contents)?.clear();
  }

  function subscriptionsOf(contents) {
    if (!opened.has(contents)) {
      opened.set(contents, new Set());
      // A page that was loaded anew knows nothing of what it had.
      contents.on('did-navigate', () => forget(contents));
      contents.on('render-process-gone', () => forget(contents));
      contents.once('destroyed', () => {
        forget(contents);
        opened.delete(contents);
      });
    }
    return opened.get(contents);
  }

  ipcMain.handle(CHANNEL, async (event, method, ...values) => {
    // A frame that is gone has no senderFrame; one inside ours is not ours.
    if (!event.senderFrame || event.senderFrame.parent || !isOurs(event.senderFrame.url)) return { error: { code: 'FORBIDDEN', message: 'this page may not use the node' } };
    try {
      if (!METHODS.has(method)) throw new TypeError('there is no such method');
      const own = subscriptionsOf(event.sender);
      if ((method === 'next' || method === 'stop') && !own.has(values[0])) return { value: { done: true } };
      const value = await backend.request(method, ...values);
      if (method === 'open') {
        if (event.sender.isDestroyed()) await backend.request('stop', value);
        else own.add(value);
      }
      if (method === 'stop' || value?.done) own.delete(values[0]);
      return { value };
    } catch (error) {
      // An Error would lose its code on the way.
      return { error: { code: error.code ?? 'INVALID_INPUT', message: error.message } };
    }
  });

  return () => {
    ipcMain.removeHandler(CHANNEL);
    for (const contents of opened.keys()) forget(contents);
  };
}
