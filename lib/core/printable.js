'use strict';

// What a terminal would act on, and what makes text look like another one.
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Text for people: all but line feeds, tabs and what can be printed is written as \u{…}. */
const printable = (text) => text.replace(HIDDEN, (c) => (c === '\n' || c === '\t' ? c : `\\u{${c.codePointAt(0).toString(16)}}`));

module.exports = { printable };
