// The page: it has `alknet` of preload.cjs, and nothing of Node.js.
'use strict';
/* global document, alknet */

const show = (id, text) => { document.getElementById(id).textContent = text; };

alknet.info().then(({ value, error }) => show('node', error ? error.message : value.node ?? value.name ?? 'connected'));

const stop = alknet.ticks(
  500,
  (tick) => {
    const item = document.createElement('li');
    item.textContent = JSON.stringify(tick);
    document.getElementById('ticks').append(item);
  },
  (error) => show('state', error ? `${error.code}: ${error.message}` : 'stopped'),
);
document.getElementById('stop').addEventListener('click', () => stop());
