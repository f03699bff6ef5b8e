// The utility process: the backend behind a port, so that the keys are in a process that
// shows no page and that the main process outlives.
import { openBackend } from './backend.mjs';

const port = process.parentPort;
let backend;

const answer = async ({ number, method, values }) => {
  try {
    let value;
    if (method === 'start') backend = await openBackend(values[0]);
    else if (method === 'close') await backend?.close();
    else value = await backend.request(method, ...values);
    port.postMessage({ number, value });
  } catch (error) {
    port.postMessage({ number, error: { code: error.code, message: error.message } });
  }
  if (method === 'close') process.exit();
};

port.on('message', ({ data }) => answer(data));
