'use strict';
// The engines of this thread. Nothing is loaded before the first use.

const { Engine } = require('./engine.js');
const native = require('./native.js');

/** The engine that nodes and stores are made with. */
function engineOf() {
  const addon = native.load();
  // The addon is one per thread, this module may be there again: a test runner that
  // resets modules, two installed copies that find one addon. They share its pipe.
  return addon.engine ??= new Engine(addon);
}

module.exports = { engineOf };
