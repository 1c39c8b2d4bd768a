"use strict";
// The dialogs: token, new segment, deletion, conflict and history.

const tokenRequest = { promise: null, resolve: null };

// Asks for a token until the user enters one; all requests that need one wait for the same answer.
function askForToken(wasRefused) {
  tokenRequest.promise ??= new Promise((resolve) => (tokenRequest.resolve = resolve));
  $("token-reason").textContent = wasRefused ? "The server does not accept the token that you entered, or it has expired. Enter another one." : "Enter one to see the text.";
  if (!$("token-dialog").open) $("token-dialog").showModal();
  show();
  return tokenRequest.promise;
}

function setUpDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector("[data-close]")?.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", show);
  }
  onSubmit("token-dialog", () => {
    const [input, { resolve }] = [$("token"), tokenRequest];
    token.set(input.value.trim());
    input.value = "";
    tokenRequest.promise = null;
    $("token-dialog").close();
    resolve();
    learn(current);
  });
  onSubmit("create-dialog", async () => {
    const name = $("new-name").value;
    const segment = segmentNamed(name);
    await put(segment, "", { "If-None-Match": "*" });
    $("create-dialog").close();
    select(segment);
    $("text").focus();
  });
  onSubmit("remove-dialog", async () => {
    const segment = current;
    await send("DELETE", segment.href, { "If-Match": `"${segment.version}"` });
    $("remove-dialog").close();
    Object.assign(segment, { draft: null, fault: null });
  });
  $("create").onclick = () => {
    $("new-name").value = "";
    open("create-dialog");
  };
  $("remove").onclick = () => {
    $("remove-title").textContent = `Delete “${current.name}”?`;
    open("remove-dialog");
  };
  $("history").onclick = () => showHistory(current);
}

function onSubmit(id, action) {
  $(id).querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await action();
    } catch (error) {
      explain(id, error);
    }
  });
}

// Says in a dialog why something failed.
function explain(id, error) {
  const fault = $(id).querySelector(".fault");
  const isTaken = id === "create-dialog" && error.status === 412;
  fault.textContent = isTaken ? "A segment of this name already exists. Choose another name." : messageOf(error);
}

function open(id) {
  const fault = $(id).querySelector(".fault");
  if (fault) fault.textContent = "";
  if (!$(id).open) $(id).showModal();
}

function choices(...buttons) {
  buttons[0].autofocus = true;
  $("choices").replaceChildren(...buttons);
}

const closeComparison = () => $("compare-dialog").close();

// Shows the newer version beside the user's, and lets the user choose.
function showConflict(segment) {
  const { text, version, draft, baseText } = segment;
  const theirs = normalize(text);
  const merged = merge(baseText, draft, theirs);
  const count = merged.conflicts;
  $("compare-title").textContent = "The text has changed";
  $("compare-story").textContent = `“${segment.name}” was changed${setter(segment)} while you were editing. `
    + (count ? `Both of you changed the same lines in ${count === 1 ? "one place" : `${count} places`}.` : "You changed different lines, which can be merged.");
  $("versions").replaceChildren();
  $("comparison").replaceChildren(...sideBySide(theirs, draft, "Theirs", "Yours"));
  choices(
    button("Cancel", closeComparison, "quiet"),
    button("Take theirs", () => {
      segment.draft = null;
      closeComparison();
    }),
    button("Edit the merge", () => {
      Object.assign(segment, { draft: merged.text, base: version, baseText: theirs });
      if (merged.text === theirs) segment.draft = null;
      closeComparison();
      $("text").focus();
      announce(count ? "The merge is in the editor. Resolve the marked conflicts, then save." : "The merge is in the editor. Review it, then save.");
    }),
    button("Keep mine", () => {
      Object.assign(segment, { base: version, baseText: theirs });
      closeComparison();
      save(segment);
    }, "main"));
  segment.comparing = true;
  open("compare-dialog");
}

// Shows the kept versions, the newest first, each beside the current one.
async function showHistory(segment) {
  $("compare-title").textContent = `History of “${segment.name}”`;
  $("compare-story").textContent = "The server keeps these versions. Choose one to compare it with the current text.";
  $("comparison").replaceChildren();
  $("versions").replaceChildren();
  choices(button("Close", closeComparison, "quiet"));
  open("compare-dialog");
  try {
    let path = predecessor(await send("HEAD", segment.href));
    for (let count = 0; path && count < 20 && $("compare-dialog").open; count++) {
      const response = await send("HEAD", path);
      const time = new Date(response.headers.get("Last-Modified") ?? NaN);
      const label = isNaN(time) ? "just now" : time.toLocaleString("en");
      const choice = button(`${label}, ${bytes(+response.headers.get("Content-Length"))}`, choose.bind(null, path, label));
      choice.setAttribute("aria-pressed", "false");
      $("versions").append(choice);
      if (count === 0) choice.click();
      path = predecessor(response);
    }
  } catch (error) {
    explain("compare-dialog", error);
  }

  async function choose(path, label, event) {
    for (const each of $("versions").children) each.setAttribute("aria-pressed", each === event.currentTarget);
    try {
      const text = await decode(await send("GET", path));
      $("comparison").replaceChildren(...sideBySide(normalize(text), normalize(segment.text), `Version of ${label}`, "Current text"));
      const revert = button("Revert to this version", async () => {
        try {
          await put(segment, text, { "If-Match": `"${segment.version}"` });
          closeComparison();
          announce("Reverted.");
        } catch (error) {
          explain("compare-dialog", error);
        }
      }, "main");
      choices(button("Close", closeComparison, "quiet"), ...(segment.methods.has("PUT") ? [revert] : []));
    } catch (error) {
      explain("compare-dialog", error);
    }
  }
}

// The path of the kept version before the one in a response; null if there is none.
const predecessor = (response) => /<([^>]*)>; *rel="predecessor-version"/.exec(response.headers.get("Link") ?? "")?.[1] ?? null;

// Two texts side by side, with the lines that differ marked, and long runs of unchanged lines left out.
function sideBySide(before, after, ...labels) {
  const [a, b] = [before.split("\n"), after.split("\n")];
  const found = differences(a, b);
  if (!found.length) return [make("p", {}, "There is no difference.")];
  const columns = [[], []];
  const line = (side, tag, text, number) => columns[side].push(make(tag, { class: "line", "data-number": number }, text));
  const equal = (from, to, shift) => {
    const [ahead, behind] = [from > 0 ? 3 : 0, to < a.length ? 3 : 0];
    const hidden = to - from - ahead - behind;
    for (let index = from; index < to; index++) {
      if (hidden > 1 && index === from + ahead) {
        for (const column of columns) column.push(make("span", { class: "line gap" }, `${hidden} unchanged lines`));
        index += hidden;
      }
      if (index === to) break;
      line(0, "span", a[index], index + 1);
      line(1, "span", b[index + shift], index + shift + 1);
    }
  };
  let [position, shift] = [0, 0];
  for (const { a0, a1, b0, b1 } of found) {
    equal(position, a0, shift);
    for (let index = a0; index < a1; index++) line(0, "del", a[index], index + 1);
    for (let index = b0; index < b1; index++) line(1, "ins", b[index], index + 1);
    const missing = a1 - a0 - (b1 - b0);
    for (let count = Math.abs(missing); count > 0; count--) columns[missing > 0 ? 1 : 0].push(make("span", { class: "line filler", "aria-hidden": true }));
    [position, shift] = [a1, b1 - a1];
  }
  equal(position, a.length, shift);
  const limit = 4000;
  return columns.map((lines, side) => make("section", { "aria-label": labels[side] }, make("h3", {}, labels[side]),
    make("div", { class: "lines", tabindex: 0, role: "group", "aria-label": `Lines of ${labels[side]}` },
      ...lines.slice(0, limit), ...(lines.length > limit ? [make("span", { class: "line gap" }, `${lines.length - limit} more lines`)] : []))));
}
