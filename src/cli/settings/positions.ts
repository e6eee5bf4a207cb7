/** Keys from the top of a TOML document to a value; a number is an index in an array. */
export type KeyPath = readonly (string | number)[];

/** A place in a text as editors count: both from 1, the column in characters. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/**
 * Tells where the key of a path stands in a valid TOML document (toml.io, v1.0.0), because the parser tells positions
 * of syntax errors only. For a path that is not there: where its nearest ancestor stands, at last the first line.
 *
 * Ends with any text; positions in one that is not TOML mean nothing.
 */
export function positionsIn(toml: string): (path: KeyPath) => Position {
  const { places } = new Scanner(toml);
  return (path) => {
    for (let length = path.length; length > 0; length -= 1) {
      const offset = places.get(idOf(path.slice(0, length)));
      if (offset !== undefined) return positionOf(toml, offset);
    }
    return { line: 1, column: 1 };
  };
}

const idOf = (path: KeyPath): string => JSON.stringify(path);

function positionOf(text: string, offset: number): Position {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: Array.from(before.at(-1) ?? "").length + 1 };
}

/** Walks through a document once and notes where each key begins. */
class Scanner {
  readonly places = new Map<string, number>();

  readonly #blank = /(?:\s|#[^\n]*)*/y;
  readonly #spaces = /[ \t]*/y;
  readonly #bareKey = /[A-Za-z0-9_-]+/y;
  /** The four kinds of strings; those of several lines may have two more quotation marks before their end. */
  readonly #string =
    /"""(?:[^\\]|\\[^])*?"""(?:"{0,2})|'''[^]*?'''(?:'{0,2})|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'/y;
  /** A number, a truth value or a date, which may have a space before its time. */
  readonly #scalar = /\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]+|[^\s,\]}#]+/y;

  readonly #text: string;
  /** The last index of each array of tables. */
  readonly #last = new Map<string, number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    let table: KeyPath = [];
    for (this.#take(this.#blank); this.#at < text.length; this.#take(this.#blank)) {
      const from = this.#at;
      if (text[from] === "[") table = this.#header();
      else this.#pair(table);
      if (this.#at === from) this.#at += 1; // no TOML; on with it
    }
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found = ""] = pattern.exec(this.#text) ?? [];
    this.#at += found.length;
    return found;
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #note(path: KeyPath, offset: number): void {
    const id = idOf(path);
    if (!this.places.has(id)) this.places.set(id, offset);
  }

  /** `[a.b]` or `[[a.b]]`; gives the table that the lines below it belong to. */
  #header(): KeyPath {
    this.#skip("[");
    const isArray = this.#skip("[");
    let path: KeyPath = [];
    const keys = this.#keys();
    for (const [number, { key, offset }] of keys.entries()) {
      path = [...path, key];
      this.#note(path, offset);
      const id = idOf(path);
      const last = this.#last.get(id);
      const isNew = isArray && number === keys.length - 1;
      if (!isNew && last === undefined) continue;
      const index = isNew ? (last ?? -1) + 1 : (last ?? 0);
      this.#last.set(id, index);
      path = [...path, index];
      this.#note(path, offset);
    }
    this.#take(this.#spaces);
    while (this.#skip("]"));
    return path;
  }

  /** `a.b = value` */
  #pair(table: KeyPath): void {
    let path = table;
    for (const { key, offset } of this.#keys()) {
      path = [...path, key];
      this.#note(path, offset);
    }
    this.#take(this.#spaces);
    if (this.#skip("=")) this.#value(path);
  }

  #keys(): readonly { readonly key: string; readonly offset: number }[] {
    const keys: { key: string; offset: number }[] = [];
    do {
      this.#take(this.#spaces);
      const offset = this.#at;
      const text = this.#take(this.#string) || this.#take(this.#bareKey);
      if (text === "") break;
      keys.push({ key: keyOf(text), offset });
      this.#take(this.#spaces);
    } while (this.#skip("."));
    return keys;
  }

  #value(path: KeyPath): void {
    this.#take(this.#blank);
    if (this.#skip("[")) this.#items("]", (index) => this.#item([...path, index]));
    else if (this.#skip("{")) this.#items("}", () => this.#pair(path));
    else if (this.#take(this.#string) === "") this.#take(this.#scalar);
  }

  #item(path: KeyPath): void {
    this.#note(path, this.#at);
    this.#value(path);
  }

  #items(end: string, read: (index: number) => void): void {
    for (let index = 0; this.#at < this.#text.length; index += 1) {
      this.#take(this.#blank);
      if (this.#skip(end)) return;
      const from = this.#at;
      read(index);
      this.#take(this.#blank);
      if (!this.#skip(",") && this.#at === from) return; // no TOML
    }
  }
}

const escapes: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  e: "\u001b",
};

/** What a key is called, of which the text is a bare word or a string. */
function keyOf(text: string): string {
  if (text.startsWith("'")) return text.slice(1, -1);
  if (!text.startsWith('"')) return text;
  const escape = /\\(?:u([\da-f]{4})|U([\da-f]{8})|x([\da-f]{2})|(.))/gi;
  return text.slice(1, -1).replaceAll(escape, (_all, u, U, x, other: string) => {
    const hex = [u, U, x].find((digits): digits is string => typeof digits === "string");
    if (hex === undefined) return escapes[other] ?? other;
    const point = Number.parseInt(hex, 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : "";
  });
}
