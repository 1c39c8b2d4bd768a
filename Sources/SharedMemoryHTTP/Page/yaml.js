"use strict";
// The errors in YAML that a look at each line finds for certain. Whatever is not plain to see counts as valid, and what
// follows it is not looked at.

function checkYAML(text) {
  try {
    new YAML(text).check();
  } catch (error) {
    if ("offset" in error) return error;
    if (error !== YAML.unsure) throw error;
  }
  return null;
}

class YAML {
  static unsure = {};

  constructor(text) {
    this.text = text;
    // The open mappings and sequences, by their columns.
    this.open = [];
    // What the last line ended with: "nothing" if a nested value can follow, or "plain", "closed" (a value in quotes or brackets).
    this.last = "nothing";
  }

  fail(message, offset) {
    throw { message, offset };
  }

  check() {
    if (/[\r\u0085\u2028\u2029\ufeff]/.test(this.text)) throw YAML.unsure;
    let start = 0;
    // Lines of a block scalar are deeper than this column.
    this.scalarColumn = null;
    for (const line of this.text.split("\n")) {
      this.line(line, start);
      start += line.length + 1;
    }
  }

  get top() {
    return this.open[this.open.length - 1] ?? { column: -1 };
  }

  line(line, start) {
    const column = line.search(/[^ ]/);
    if (/^\s*(#|$)/.test(line)) return;
    if (this.scalarColumn !== null) {
      if (column > this.scalarColumn) return;
      this.scalarColumn = null;
    }
    if (line[column] === "\t") {
      if (this.last !== "plain" || column <= this.top.column) this.fail("a tab cannot indent a line", start + column);
      throw YAML.unsure;
    }
    if (/\t/.test(line)) throw YAML.unsure;
    if (/^---( *(#.*)?)$/.test(line)) {
      [this.open, this.last] = [[], "nothing"];
      return;
    }
    if (/^(---|\.\.\.|%)/.test(line)) throw YAML.unsure;
    this.content(line, column, start);
  }

  // Looks at a line from a column on, where an entry or a value begins.
  content(line, column, start) {
    const rest = line.slice(column);
    const entry = /^-( +|$)/.exec(rest);
    const key = /^([A-Za-z0-9_][\w .\/@$()+-]{0,999}|"[^"\\]*"|'[^']*') *:( +|$)/.exec(rest);
    const isContinued = this.last === "plain" && column > this.top.column;
    if (isContinued && /(^|[^:]):( |$)/.test(rest.replace(/(^| )#.*/, ""))) this.fail("this cannot follow a value: is it indented too far?", start + column);
    if (isContinued) return;
    if (!entry && !key) {
      this.leave(column);
      if (this.last === "nothing" && column > this.top.column && this.open.length) return this.value(line, column, start, true);
      const isKey = /^[A-Za-z0-9_]+(:[A-Za-z0-9_]+|[^:#'"[\]{},&*!|>%@`?]*)$/.test(rest);
      if (isKey && this.top.kind === "mapping" && this.top.column === column) this.fail("a colon and a blank are missing after the key", start + column);
      throw YAML.unsure;
    }
    this.enter(entry ? "sequence" : "mapping", column, start);
    const next = column + (entry ?? key)[0].length;
    this.last = "nothing";
    if (next >= line.length || line[next] === "#") return;
    if (entry) this.content(line, next, start);
    else this.value(line, next, start);
  }

  // Leaves what is deeper than a column.
  leave(column) {
    const count = this.open.length;
    this.open = this.open.filter((each) => each.column <= column);
    if (this.open.length < count) this.last = "closed";
    return this.open.length < count;
  }

  enter(kind, column, start) {
    const hasLeft = this.leave(column);
    const top = this.top;
    if (top.column < column) {
      if (hasLeft) this.fail("the indentation matches no line above", start + column);
      if (this.last !== "nothing") this.fail("this cannot follow a value: is it indented too far?", start + column);
      this.open.push({ kind, column });
    } else if (top.kind !== kind) {
      // A sequence can begin in the column of its key.
      if (kind === "mapping" || !(top.hasSequence || this.last === "nothing")) this.fail(kind === "mapping" ? "a key cannot follow the entries of a sequence" : "an entry of a sequence cannot follow keys", start + column);
      top.hasSequence = true;
    } else {
      top.hasSequence = false;
    }
  }

  // - isAlone: whether it could be a key that does not look like one
  value(line, column, start, isAlone = false) {
    const rest = line.slice(column);
    const first = rest[0];
    if (/^[|>][+-]?( *| +#.*)$/.test(rest)) {
      this.scalarColumn = this.top.column;
      this.last = "closed";
    } else if (/[@`%]/.test(first)) {
      this.fail(`a value cannot begin with “${first}”: put it in quotes`, start + column);
    } else if (first === '"' || first === "'") {
      this.quoted(rest, start + column);
    } else if (first === "[" || first === "{") {
      this.flow(start + column, start + line.length);
    } else if (/^([A-Za-z0-9_.\/$(+~<=^\\;]|-[^ ])/.test(rest)) {
      const colon = /:( |$)/.exec(rest.replace(/ #.*/, ""));
      if (colon && isAlone) throw YAML.unsure;
      if (colon) this.fail("a second colon needs quotes around the value", start + column + colon.index);
      this.last = "plain";
    } else {
      throw YAML.unsure;
    }
  }

  quoted(rest, offset) {
    const expression = rest[0] === '"' ? /"(?:[^"\\]|\\[^])*"/y : /'(?:[^']|'')*'/y;
    expression.lastIndex = offset;
    if (!expression.test(this.text)) this.fail("this string is not closed", offset);
    expression.lastIndex = 0;
    const found = expression.exec(rest);
    if (!found) throw YAML.unsure;
    const behind = rest.slice(found[0].length);
    if (/^ +[A-Za-z0-9"']/.test(behind)) this.fail("nothing can follow the closing quote", offset + found[0].length);
    if (!/^( *| +#.*)$/.test(behind)) throw YAML.unsure;
    this.last = "closed";
  }

  flow(offset, end) {
    let depth = 0;
    for (let at = offset; at < this.text.length; at++) {
      const [character, before] = [this.text[at], this.text[at - 1]];
      if (character === "[" || character === "{") depth++;
      else if (character === "]" || character === "}") depth--;
      else if (/[!&*|>%@`?]/.test(character)) throw YAML.unsure;
      else if (character === "#") {
        if (/\S/.test(before)) throw YAML.unsure;
        at = this.text.indexOf("\n", at);
        if (at < 0) break;
      } else if ((character === '"' || character === "'") && !/\w/.test(before)) {
        if (!/([[{,]\s*|:\s+)$/.test(this.text.slice(Math.max(offset, at - 80), at))) throw YAML.unsure;
        const quoted = character === '"' ? /"(?:[^"\\]|\\[^])*"/y : /'(?:[^']|'')*'/y;
        quoted.lastIndex = at;
        if (!quoted.test(this.text)) this.fail("this string is not closed", at);
        at = quoted.lastIndex - 1;
      }
      if (depth === 0) {
        if (at >= end || !/^( *| +#.*)$/.test(this.text.slice(at + 1, end))) throw YAML.unsure;
        this.last = "closed";
        return;
      }
    }
    this.fail(`“${this.text[offset]}” is not closed`, offset);
  }
}
