// Runs in the sandbox of the window: no addon, no file, only messages to the main process.
// What the page gets is two functions, and no way to name a channel or an operation.
'use strict';
const { contextBridge, ipcRenderer } = require('electron');

const ask = (method, ...values) => ipcRenderer.invoke('alknet', method, ...values);

contextBridge.exposeInMainWorld('alknet', {
  /** Resolves with { value } or { error: { code, message } }. */
  info: () => ask('call', '/node/info', null),

  /** Calls onTick for each tick, and onEnd with undefined or an error. Returns a function that stops it. */
  ticks(interval, onTick, onEnd) {
    let stopped = false;
    const number = ask('open', '/clock/ticks', { interval: Number(interval) });
    const read = async () => {
      const { value, error } = await number;
      if (error) return error;
      while (!stopped) {
        const next = await ask('next', value);
        if (stopped) return undefined;
        if (next.error) return next.error;
        if (next.value.done) return undefined;
        onTick(next.value.value);
      }
      return undefined;
    };
    read().then(onEnd, (error) => onEnd({ code: 'UNAVAILABLE', message: error.message }));
    return async () => {
      stopped = true;
      const { value } = await number;
      if (value !== undefined) await ask('stop', value);
    };
  },
});
