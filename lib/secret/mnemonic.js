'use strict';
// BIP-39 phrases.

const { stringify } = require('../core/builtins.js');
const check = require('../core/check.js');
const secrets = require('./commands.js');
const { engineOf } = require('../engine/select.js');

/** The wordlists of BIP-39. */
const wordlists = Object.freeze([
  'english', 'japanese', 'korean', 'spanish', 'chinese_simplified', 'chinese_traditional', 'french', 'italian', 'czech',
]);

const LENGTHS = [12, 15, 18, 21, 24];
const DEFAULT_WORDS = 24;
const MAX_PHRASE = 1024; // bytes; the longest, of 24 Korean words, has 815

/** The options words and wordlist, with their defaults. */
function phraseOptions({ words = DEFAULT_WORDS, wordlist = 'english' } = {}) {
  if (typeof words !== 'number') throw new TypeError(`the option words must be a number, not ${check.describe(words)}`);
  if (!LENGTHS.includes(words)) throw new RangeError(`the option words is ${words}: want ${LENGTHS.join(', ')}`);
  check.string(wordlist, 'wordlist');
  if (!wordlists.includes(wordlist)) throw new RangeError(`there is no wordlist ${stringify(wordlist.slice(0, 40))}: want one of ${wordlists.join(', ')}`);
  return { words, wordlist };
}

/** Makes a random phrase, as UTF-8. It is the caller's to wipe. */
function generateMnemonic(options) {
  check.known(options, ['words', 'wordlist'], 'generateMnemonic');
  const room = secrets.memory(MAX_PHRASE);
  try {
    return room.slice(0, secrets.run(engineOf(), 'generateMnemonic', 0, phraseOptions(options), undefined, room));
  } finally {
    secrets.wipe(room);
  }
}

/** Checks the words and the checksum of a phrase, and tells its wordlist. The phrase is left as it is. */
function validateMnemonic(phrase) {
  const bytes = secrets.secretBytes(phrase, 'the phrase');
  try {
    return secrets.runText(engineOf(), 'validateMnemonic', 0, undefined, bytes);
  } finally {
    if (bytes !== phrase) secrets.wipe(bytes);
  }
}

module.exports = { wordlists, generateMnemonic, validateMnemonic, phraseOptions };
