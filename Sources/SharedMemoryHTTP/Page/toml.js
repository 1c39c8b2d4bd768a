"use strict";
// TOML 1.0, with its rules about tables and keys that are defined twice.

function checkTOML(text) {
  try {
    new TOML(text).document();
    return null;
  } catch (error) {
    if ("offset" in error) return error;
    throw error;
  }
}

class TOML {
  constructor(text) {
    [this.text, this.at] = [text, 0];
  }

  fail(message, offset = this.at) {
    throw { message, offset };
  }

  // What a sticky expression matches here; the position moves behind it.
  take(expression) {
    expression.lastIndex = this.at;
    const found = expression.exec(this.text);
    if (found) this.at = expression.lastIndex;
    return found;
  }

  document() {
    const names = new Names(this);
    let header = [];
    while (this.at < this.text.length) {
      this.take(/[ \t]*/y);
      const start = this.at;
      const bracket = this.take(/\[\[?/y)?.[0];
      if (bracket) {
        this.take(/[ \t]*/y);
        header = this.key();
        if (!this.take(bracket === "[" ? /\]/y : /\]\]/y)) this.fail(`“${bracket === "[" ? "]" : "]]"}” is expected here`);
        names.define(header, bracket === "[[", start);
      } else if (!/[\n#]/.test(this.text[this.at] ?? "\n")) {
        this.pair(names, header);
      }
      this.endLine();
    }
  }

  endLine() {
    this.blank();
    if (this.at < this.text.length && !this.take(/\n/y)) this.fail("the line should end here");
  }

  // Blanks and a comment.
  blank() {
    this.take(/[ \t]*(#[^\u0000-\u0008\u000a-\u001f\u007f]*)?/y);
  }

  pair(names, header) {
    const start = this.at;
    const key = this.key();
    if (!this.take(/=[ \t]*/y)) this.fail("“=” is expected here");
    const isContainer = this.value();
    names.assign(header, key, isContainer, start);
  }

  key() {
    const parts = [];
    do {
      this.take(/[ \t]*/y);
      const quote = this.text[this.at];
      if (quote === '"' || quote === "'") parts.push(this.string(quote));
      else parts.push(this.take(/[A-Za-z0-9_-]+/y)?.[0] ?? this.fail("a key is expected here"));
      this.take(/[ \t]*/y);
    } while (this.take(/\./y));
    return parts;
  }

  // Whether the value is an array or a table.
  value() {
    const start = this.at;
    const first = this.text[this.at];
    if (first === '"' || first === "'") {
      const triple = first.repeat(3);
      if (this.text.startsWith(triple, this.at)) this.longString(first);
      else this.string(first);
    } else if (first === "[") {
      this.array();
      return true;
    } else if (first === "{") {
      this.inlineTable();
      return true;
    } else if (!this.take(/(true|false)/y) && !this.date()
      && !this.take(/0x[\da-fA-F](_?[\da-fA-F])*|0b[01](_?[01])*|0o[0-7](_?[0-7])*|[+-]?(inf|nan)|[+-]?(0|[1-9](_?\d)*)(\.\d(_?\d)*)?([eE][+-]?\d(_?\d)*)?/y)) {
      this.fail("a value is expected here: text needs quotes", start);
    }
    return false;
  }

  date() {
    const time = "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d+)?";
    if (this.take(new RegExp(time, "y"))) return true;
    const found = this.take(new RegExp(`(\\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])([Tt ]${time}([Zz]|[+-]([01]\\d|2[0-3]):[0-5]\\d)?)?`, "y"));
    if (found && new Date(Date.UTC(2000 + (found[1] % 400), found[2] - 1, found[3])).getUTCDate() !== +found[3]) {
      this.fail("there is no such day", this.at - found[0].length);
    }
    return found;
  }

  string(quote) {
    const start = this.at;
    const found = this.take(quote === '"' ? /"((?:[^"\\\u0000-\u0008\u000a-\u001f\u007f]|\\.)*)"/y : /'([^'\u0000-\u0008\u000a-\u001f\u007f]*)'/y)
      ?? this.fail("this string is not closed in its line, or has a control character");
    return quote === '"' ? this.unescape(found[1], start + 1, false) : found[1];
  }

  longString(quote) {
    const start = this.at;
    const found = this.take(quote === '"' ? /"""((?:[^\\]|\\[^])*?)"""("{0,2})/y : /'''([^]*?)'''('{0,2})/y) ?? this.fail("this string is not closed");
    const control = /[\u0000-\u0008\u000b-\u001f\u007f]/.exec(found[1]);
    if (control) this.fail("a control character must be escaped", start + 3 + control.index);
    if (quote === '"') this.unescape(found[1], start + 3, true);
  }

  unescape(content, start, isLong) {
    return content.replace(/\\(u[\da-fA-F]{4}|U[\da-fA-F]{8}|[ \t]*\n\s*|[^])/g, (whole, code, offset) => {
      const number = /^[uU]./.test(code) ? parseInt(code.slice(1), 16) : null;
      const isValid = number === null ? '"\\bfnrt'.includes(code) || (isLong && code.includes("\n")) : number < 0xd800 || (number > 0xdfff && number < 0x110000);
      if (!isValid) this.fail("there is no such escape", start + offset);
      return number === null ? { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }[code] ?? code.trim() : String.fromCodePoint(number);
    });
  }

  // Blanks, comments and line feeds.
  space() {
    do this.blank();
    while (this.take(/\n/y));
  }

  array() {
    const start = this.at++;
    for (;;) {
      this.space();
      if (this.take(/\]/y)) return;
      if (this.at >= this.text.length) this.fail("“[” is not closed", start);
      this.value();
      this.space();
      if (!this.take(/,/y) && this.text[this.at] !== "]") this.fail("a comma or “]” is expected here");
    }
  }

  inlineTable() {
    const names = new Names(this);
    if (this.take(/\{[ \t]*\}/y)) return;
    do {
      this.at++;
      this.pair(names, []);
      this.take(/[ \t]*/y);
    } while (this.text[this.at] === ",");
    if (!this.take(/\}/y)) this.fail("a comma or “}” is expected here");
  }
}

// What each name stands for, and which tables are complete. A path is written as in JSON, without its last bracket.
class Names {
  constructor(parser) {
    Object.assign(this, { parser, root: new Map(), defined: new Set(), closed: new Set(), pending: [] });
  }

  id(path) {
    return JSON.stringify(path).slice(0, -1);
  }

  // Fails if something cannot be defined.
  demand(condition, path, offset) {
    if (!condition) this.parser.fail(`“${path.join(".")}” is already defined`, offset);
  }

  // The table at a path, below which something is to be defined.
  table(path, offset) {
    let table = this.root;
    path.forEach((name, index) => {
      this.demand(!this.closed.has(this.id(path.slice(0, index + 1))), path, offset);
      if (!table.has(name)) table.set(name, new Map());
      table = [table.get(name)].flat().pop();
      this.demand(table instanceof Map, path, offset);
    });
    return table;
  }

  define(path, isArray, offset) {
    for (const id of this.pending.splice(0)) this.defined.add(id);
    const [id, name] = [this.id(path), path[path.length - 1]];
    if (isArray) {
      const parent = this.table(path.slice(0, -1), offset);
      this.demand(!this.closed.has(id) && Array.isArray(parent.get(name) ?? []), path, offset);
      for (const set of [this.defined, this.closed]) for (const other of set) if (other === id || other.startsWith(id + ",")) set.delete(other);
      parent.set(name, [new Map()]);
    } else {
      this.demand(!this.defined.has(id), path, offset);
      this.table(path, offset);
    }
    this.defined.add(id);
  }

  assign(header, key, isContainer, offset) {
    const path = [...header, ...key];
    for (let count = header.length + 1; count < path.length; count++) {
      const id = this.id(path.slice(0, count));
      this.demand(!this.defined.has(id), path, offset);
      this.pending.push(id);
    }
    const [parent, name] = [this.table(path.slice(0, -1), offset), path[path.length - 1]];
    this.demand(!parent.has(name), path, offset);
    parent.set(name, true);
    if (isContainer) this.closed.add(this.id(path));
  }
}
