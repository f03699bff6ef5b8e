// electron .                    the node in the main process
// ALKNET_UTILITY=1 electron .   the node in a utility process
// ALKNET_ADDRESS names a head; without it the example starts one.
import { app, BrowserWindow, ipcMain, session, utilityProcess } from 'electron';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { openBackend } from './backend.mjs';
import { expose } from './bridge.mjs';
import { startBackend } from './remote.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const page = path.join(here, 'index.html');
const isOurs = (url) => url === pathToFileURL(page).href;

function createWindow() {
  const window = new BrowserWindow({
    webPreferences: { preload: path.join(here, 'preload.cjs'), sandbox: true, contextIsolation: true, nodeIntegration: false },
  });
  window.webContents.setWindowOpenHandler(() => ({ action: 'deny' }));
  window.webContents.on('will-navigate', (event) => event.preventDefault());
  return window.loadFile(page);
}

async function start() {
  session.defaultSession.setPermissionRequestHandler((_contents, _permission, decide) => decide(false));
  const options = { address: process.env.ALKNET_ADDRESS };
  const backend = process.env.ALKNET_UTILITY
    ? await startBackend(utilityProcess.fork(path.join(here, 'utility.mjs'), [], { serviceName: 'alknet' }), options)
    : await openBackend(options);
  const conceal = expose(ipcMain, backend, isOurs);

  // Quitting waits until the node has said goodbye.
  let closed = false;
  app.on('before-quit', (event) => {
    if (closed) return;
    event.preventDefault();
    closed = true;
    conceal();
    backend.close().finally(() => app.quit());
  });
  app.on('activate', () => { if (BrowserWindow.getAllWindows().length === 0) createWindow(); });
  app.on('window-all-closed', () => { if (process.platform !== 'darwin') app.quit(); });
  await createWindow();
}

app.enableSandbox();
// Not awaited here: Electron is ready only after this module has run.
app.whenReady().then(start).catch((error) => {
  console.error(error.message);
  app.exit(1);
});
