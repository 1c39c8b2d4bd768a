"use strict";
// Lines that differ between two texts, and the merge of two changes of one text.

// The ranges of lines that differ: lines a0 to a1 of the first text are lines b0 to b1 of the second (Myers, 1986).
// Texts that differ in more than 1,500 lines differ in one range.
function differences(a, b) {
  let start = 0, [m, n] = [a.length, b.length];
  while (start < m && start < n && a[start] === b[start]) start++;
  while (m > start && n > start && a[m - 1] === b[n - 1]) m--, n--;
  if (start === m && start === n) return [];
  const whole = [{ a0: start, a1: m, b0: start, b1: n }];
  if (start === m || start === n) return whole;
  const [width, height, limit] = [m - start, n - start, 1500];
  const trace = [];
  let ends = new Map([[1, 0]]);
  for (let d = 0; d <= limit; d++) {
    trace.push(new Map(ends));
    for (let k = -d; k <= d; k += 2) {
      const isDown = k === -d || (k !== d && ends.get(k - 1) < ends.get(k + 1));
      let x = isDown ? ends.get(k + 1) : ends.get(k - 1) + 1;
      while (x < width && x - k < height && a[start + x] === b[start + x - k]) x++;
      ends.set(k, x);
      if (x >= width && x - k >= height) return ranges(trace, width, height, start);
    }
  }
  return whole;
}

function ranges(trace, width, height, start) {
  const found = [];
  let [x, y] = [width, height];
  for (let d = trace.length - 1; d > 0; d--) {
    const [ends, k] = [trace[d], x - y];
    const isDown = k === -d || (k !== d && ends.get(k - 1) < ends.get(k + 1));
    const before = isDown ? k + 1 : k - 1;
    const [x0, y0] = [ends.get(before), ends.get(before) - before];
    const next = found[0];
    const range = { a0: start + x0, a1: start + (isDown ? x0 : x0 + 1), b0: start + y0, b1: start + (isDown ? y0 + 1 : y0) };
    if (next && next.a0 === range.a1 && next.b0 === range.b1) [next.a0, next.b0] = [range.a0, range.b0];
    else found.unshift(range);
    [x, y] = [x0, y0];
  }
  return found;
}

// Two changes of the same text in one. Where both change the same lines differently, both are there, between marks.
function merge(base, mine, theirs) {
  const [baseLines, mineLines, theirLines] = [base, mine, theirs].map((text) => text.split("\n"));
  const changes = [
    ...differences(baseLines, mineLines).map((range) => ({ ...range, side: 0 })),
    ...differences(baseLines, theirLines).map((range) => ({ ...range, side: 1 })),
  ].sort((one, other) => one.a0 - other.a0 || one.a1 - other.a1);
  const merged = [];
  let [position, conflicts] = [0, 0];
  for (let index = 0; index < changes.length;) {
    const from = changes[index].a0;
    let to = from;
    const sides = [[], []];
    // Changes that touch belong together.
    do {
      const change = changes[index++];
      sides[change.side].push(change);
      to = Math.max(to, change.a1);
    } while (index < changes.length && changes[index].a0 <= to);
    const lines = sides.map((side, number) => {
      if (!side.length) return null;
      const [first, last] = [side[0], side[side.length - 1]];
      return (number ? theirLines : mineLines).slice(first.b0 - first.a0 + from, last.b1 + to - last.a1);
    });
    merged.push(...baseLines.slice(position, from));
    position = to;
    if (!lines[0] || !lines[1] || lines[0].join("\n") === lines[1].join("\n")) {
      merged.push(...(lines[0] ?? lines[1]));
    } else {
      conflicts++;
      merged.push("<<<<<<< mine", ...lines[0], "=======", ...lines[1], ">>>>>>> theirs");
    }
  }
  merged.push(...baseLines.slice(position));
  return { text: merged.join("\n"), conflicts };
}
