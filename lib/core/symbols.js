'use strict';
// What the classes of this package say to each other: no name that an application sees.
// All copies of one release in a thread have the same ones: a test runner loads the package
// again, and what one copy has made is handed to another.

const { defineProperty } = require('./builtins.js');
const { version } = require('../../package.json');

const symbol = (name) => Symbol.for(`alknet ${version} ${name}`);

/** Makes `instanceof Class` true of what another copy has made. The name is given, since bundlers rename classes. */
function brand(Class, name) {
  const mark = symbol(name);
  defineProperty(Class.prototype, mark, { value: true });
  defineProperty(Class, Symbol.hasInstance, {
    value(value) {
      if (this !== Class) return Function.prototype[Symbol.hasInstance].call(this, value); // a subclass
      return typeof value === 'object' && value !== null && value[mark] === true;
    },
  });
}

module.exports = {
  brand,
  kOpen: symbol('kOpen'),
  kAsk: symbol('kAsk'),
  kEmit: symbol('kEmit'),
  kEngine: symbol('kEngine'),
  kNumber: symbol('kNumber'),
  kSession: symbol('kSession'),
  kReady: symbol('kReady'),
  kStart: symbol('kStart'),
  kText: symbol('kText'),
  kGet: symbol('kGet'),
  kRun: symbol('kRun'),
  kHandlerError: symbol('kHandlerError'),
  kOpened: symbol('kOpened'),
  kFailed: symbol('kFailed'),
  kClosed: symbol('kClosed'),
  kLog: symbol('kLog'),
  kRequest: symbol('kRequest'),
  kLeft: symbol('kLeft'),
  kDisconnected: symbol('kDisconnected'),
  kReconnected: symbol('kReconnected'),
  kSessionOpened: symbol('kSessionOpened'),
  kSessionClosed: symbol('kSessionClosed'),
  kAudit: symbol('kAudit'),
  kWarning: symbol('kWarning'),
  kLost: symbol('kLost'),
};
