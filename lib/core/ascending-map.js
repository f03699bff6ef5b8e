'use strict';

const RECENT = 4096; // entries; a power of two

/**
 * A Map from numbers that only ascend, for entries that are many and mostly short-lived.
 *
 * A Map of V8 makes a new table every few hundred entries and leaves its old one as it
 * was, with what it held, which the young generation's collector cannot free once one
 * of them is old: all that was ever in the Map survived, and was copied, until the next
 * full collection. Here the newest entries stand in an array that is used again and
 * again, and only those that are still there when their place is wanted go to a Map.
 */
class AscendingMap {
  #numbers = new Array(RECENT).fill(0);
  #entries = new Array(RECENT).fill(undefined);
  #recent = 0; // of them that are there
  #older = new Map();

  get size() { return this.#recent + this.#older.size; }

  set(number, entry) {
    const place = number & (RECENT - 1);
    if (this.#entries[place] === undefined) this.#recent++;
    else this.#older.set(this.#numbers[place], this.#entries[place]);
    this.#numbers[place] = number;
    this.#entries[place] = entry;
  }

  get(number) {
    const place = number & (RECENT - 1);
    return this.#numbers[place] === number ? this.#entries[place] : this.#older.get(number);
  }

  delete(number) {
    const place = number & (RECENT - 1);
    if (this.#numbers[place] !== number) return this.#older.delete(number);
    if (this.#entries[place] === undefined) return false;
    this.#entries[place] = undefined;
    this.#recent--;
    return true;
  }

  /** All entries, in the order of their numbers. */
  values() {
    const all = [...this.#older];
    for (const [place, entry] of this.#entries.entries()) if (entry !== undefined) all.push([this.#numbers[place], entry]);
    return all.sort(([a], [b]) => a - b).map(([, entry]) => entry);
  }

  clear() {
    this.#entries.fill(undefined);
    this.#recent = 0;
    this.#older.clear();
  }
}

module.exports = { AscendingMap };
