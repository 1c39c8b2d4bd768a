"use strict";
// Checks of JSON, YAML and TOML. Each returns null, or where the first error is and what it is.

const checks = { JSON: checkJSON, YAML: checkYAML, TOML: checkTOML };

// The language that a segment's name tells, or else the text that it has: only text that is valid tells one.
function languageOf(name, text) {
  const suffix = /\.(json|ya?ml|toml)$/i.exec(name ?? "")?.[1].toUpperCase();
  if (suffix) return suffix === "YML" ? "YAML" : suffix;
  if (/^\s*[{[]/.test(text) && !checkJSON(text)) return "JSON";
  if (/^[\w."-]+ *=/m.test(text) && !checkTOML(text)) return "TOML";
  if (/^(---|[\w.-]+:( .*)?$)/.test(text) && !checkYAML(text)) return "YAML";
  return null;
}

// The line and column of an offset, both from 1.
function placeOf(text, offset) {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: before[before.length - 1].length + 1 };
}

function checkJSON(text) {
  let at = 0;
  const fail = (message, offset = at) => {
    throw { message, offset };
  };
  const next = () => {
    while (/[ \t\n\r]/.test(text[at] ?? "")) at++;
    return text[at];
  };
  const scalar = () => {
    const expression = /"([^"\\\u0000-\u001f]|\\(["\\/bfnrt]|u[\da-fA-F]{4}))*"|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false|null/y;
    expression.lastIndex = at;
    if (!expression.test(text)) fail(text[at] === '"' ? "this string is not valid or not closed" : "a value is expected here");
    at = expression.lastIndex;
  };
  const value = () => {
    const [first, start] = [next(), at];
    if (first !== "{" && first !== "[") return scalar();
    const close = first === "{" ? "}" : "]";
    at++;
    if (next() === close) return at++;
    for (;; at++) {
      if (first === "{") {
        if (next() !== '"') fail("a key in quotes is expected here");
        scalar();
        if (next() !== ":") fail("a colon is expected here");
        at++;
      }
      value();
      if (next() === close) return at++;
      if (at >= text.length) fail(`“${first}” is not closed`, start);
      if (text[at] !== ",") fail(`a comma or “${close}” is expected here`);
    }
  };
  try {
    value();
    return next() === undefined ? null : { offset: at, message: "nothing can follow the value" };
  } catch (error) {
    // Too deep to look at, otherwise.
    return "offset" in error ? error : null;
  }
}
