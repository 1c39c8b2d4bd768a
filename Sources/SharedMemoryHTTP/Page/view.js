"use strict";
// What the page shows of its state.

let syntaxTimer;

function setUpView() {
  $("text").addEventListener("input", edit);
  $("save").onclick = () => save(current);
  $("discard").onclick = () => {
    Object.assign(current, { draft: null, fault: null });
    show();
    $("text").focus();
  };
  $("forget").onclick = () => {
    token.set(null);
    location.reload();
  };
  $("filter").oninput = showList;
  $("menu").onclick = () => {
    const isOpen = $("menu").getAttribute("aria-expanded") === "true";
    $("menu").setAttribute("aria-expanded", String(!isOpen));
  };
  $("jump").onclick = () => {
    $("text").focus();
    $("text").setSelectionRange(+$("jump").value, +$("jump").value + 1);
  };
  $("compare-dialog").addEventListener("close", () => (current.comparing = false));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (!document.querySelector("dialog[open]")) save(current);
  });
  addEventListener("beforeunload", (event) => {
    if ([current, ...segments.values()].some((segment) => segment.draft !== null)) event.preventDefault();
  });
  setInterval(showAge, 10e3);
}

function show() {
  const segment = current;
  const isThere = segment.state === "here" || segment.state === "loading" || segment.draft !== null;
  const canSet = segment.methods.has("PUT");
  const label = segment.name ?? (segment.state === "loading" ? "…" : "shared");
  setText("name", label);
  document.title = `${segment.draft === null ? "" : "● "}${label} – sharedmem`;
  $("role").hidden = !segment.methods.size || canSet || segment.state !== "here";
  $("editing").hidden = !isThere;
  const area = $("text");
  const value = segment.draft ?? normalize(segment.text);
  if (area.value !== value) {
    const { selectionStart, selectionEnd, scrollTop } = area;
    area.value = value;
    area.setSelectionRange(selectionStart, selectionEnd);
    area.scrollTop = scrollTop;
  }
  area.readOnly = !canSet;
  area.setAttribute("aria-busy", segment.state === "loading");
  area.placeholder = segment.state === "loading" ? "" : "The text is empty.";
  setText("version", segment.version ?? "");
  $("save").hidden = !canSet;
  $("discard").hidden = segment.draft === null;
  $("history").hidden = !segment.hasHistory || segment.draft !== null;
  $("remove").hidden = !segment.methods.has("DELETE") || segment.state !== "here";
  $("create").hidden = !segment.methods.has("DELETE");
  $("forget").hidden = token.get() === null;
  showSize(segment, value);
  showAge();
  showConnection();
  showNotice(segment);
  showMissing(segment, isThere);
  showList();
  clearTimeout(syntaxTimer);
  syntaxTimer = setTimeout(showSyntax, 250, segment, value);
}

// Where it differs only, so that a screen reader is not told again.
function setText(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

function showSize(segment, value) {
  const capacity = entries.get(segment.name)?.capacity;
  const text = segment.draft !== null && segment.state === "here" ? forSaving(segment) : segment.draft ?? segment.text ?? "";
  const count = new TextEncoder().encode(text).length;
  const excess = capacity === undefined ? 0 : count - capacity;
  setText("size", capacity === undefined ? bytes(count) : `${count.toLocaleString("en")} of ${bytes(capacity)}${excess > 0 ? `: ${excess.toLocaleString("en")} too many` : ""}`);
  $("size").hidden = segment.state === "loading";
  $("meter").hidden = capacity === undefined;
  Object.assign($("meter"), { max: capacity ?? 1, high: (capacity ?? 1) * 0.9, value: count });
  $("save").disabled = segment.draft === null || segment.isSaving || excess > 0;
  setText("save", segment.isSaving ? "Saving…" : "Save");
}

function ago(date) {
  const seconds = Math.round((date - Date.now()) / 1000);
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  if (seconds > -10) return "just now";
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) if (-seconds >= size) return format.format(Math.round(seconds / size), unit);
  return format.format(seconds, "second");
}

// “ by PROGRAM …” if the list knows which process has set this version.
function setter(segment) {
  const entry = entries.get(segment.name);
  const by = entry?.version === segment.version ? entry?.setBy : null;
  return by ? ` by ${by.program} (process ${by.processID}, user ${by.user})` : "";
}

function showAge() {
  const entry = entries.get(current.name);
  if (!entry || current.state !== "here") return $("changed").replaceChildren();
  if (!entry.changed) return setText("changed", "Never set");
  const date = new Date(entry.changed);
  const sentence = `Changed ${ago(date)}${setter(current)}`;
  if ($("changed").textContent === sentence) return;
  $("changed").replaceChildren("Changed ", make("time", { datetime: entry.changed, title: date.toLocaleString() }, ago(date)), setter(current));
}

function showConnection() {
  const isLost = live.text === false || live.list === false;
  const state = isLost ? "lost" : tokenRequest.promise ? "locked" : live.text && live.list ? "live" : "waiting";
  $("connection").dataset.state = state;
  setText("connection", { lost: "Connection lost", locked: "Token needed", live: "Live", waiting: "Connecting" }[state]);
}

function showNotice(segment) {
  const isLost = live.text === false || live.list === false;
  if (tokenRequest.promise && !$("token-dialog").open) {
    notice("This server requires a token.", button("Enter a token", () => askForToken(token.get() !== null)));
  } else if (segment.fault) {
    notice(segment.fault);
  } else if (isConflict(segment)) {
    notice(`There is a newer version${setter(segment)}. Your text is not saved.`, button("Compare", () => showConflict(segment)));
  } else if (segment.draft !== null && segment.state === "missing") {
    notice(segment.methods.has("PUT") ? "This segment was deleted. Save to create it again with your text." : "This segment was deleted. Your text is still here.");
  } else if (isLost && Date.now() - live.since > 1500) {
    notice(live.reason ? `The server cannot send changes now: ${live.reason} The page retries automatically.` : "The server cannot be reached. The page retries automatically.", button("Try now", reconnect));
  } else if (segment.draft !== null && /\r/.test(segment.text ?? "") && !usesCRLF(segment.text)) {
    notice("This text has mixed line endings. If you save it here, every line ends with a line feed.");
  } else {
    notice("");
    if (isLost) setTimeout(show, 1600);
  }
}

function notice(message, ...buttons) {
  const box = $("notice");
  box.hidden = !message;
  if (box.dataset.message === message) return;
  box.dataset.message = message;
  box.replaceChildren(make("span", {}, message), ...buttons);
}

function showMissing(segment, isThere) {
  const box = $("missing");
  box.hidden = isThere;
  if (isThere) return;
  const canCreate = segment.methods.has("DELETE");
  let [message, more] = [segment.problem?.message ?? "This segment was deleted.", ""];
  if (segment.state === "refused") {
    more = button("Use another token", () => askForToken(false).then(() => follow(segment)));
  } else if (canCreate && segment.name) {
    [message, more] = ["There is no segment of this name.", button("Create it", () => save(Object.assign(segment, { draft: "" })), "main")];
  } else if (canCreate) {
    [message, more] = ["There are no segments yet. Create the first one here, or in a shell:", make("pre", {}, "sharedmem set NAME --text 'feature.x = on'")];
  }
  const key = `${segment.name} ${message}`;
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  box.replaceChildren(make("p", {}, message), more);
}

function showList() {
  const [nav, filter] = [$("segments"), $("filter").value.toLowerCase()];
  nav.hidden = entries.size < 2;
  $("menu").hidden = nav.hidden;
  $("filter").hidden = entries.size < 9;
  const names = [...entries.keys()].filter((name) => name.toLowerCase().includes(filter)).sort();
  const shown = names.slice(0, 200);
  const key = JSON.stringify([current.name, shown.map((name) => [name, segments.get(name)?.draft != null])]);
  $("more").hidden = names.length <= shown.length;
  setText("more", `${names.length - shown.length} more: use the filter.`);
  if ($("list").dataset.key === key) return;
  $("list").dataset.key = key;
  const focused = document.activeElement?.dataset?.name;
  $("list").replaceChildren(...shown.map((name) => {
    const link = make("a", { href: `/shared/${name}`, "data-name": name, ...(name === current.name ? { "aria-current": "page" } : {}) }, name);
    if (segments.get(name)?.draft != null) link.append(make("span", { class: "edited" }, " edited"));
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      select(segmentNamed(name));
    };
    return make("li", {}, link);
  }));
  if (focused) $("list").querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus();
}

function showSyntax(segment, value) {
  let [message, offset] = ["", null];
  if (value.trim() && value.length < 300000 && segment === current) {
    const language = languageOf(segment.name, normalize(segment.text)) ?? languageOf(segment.name, value);
    const error = language && checks[language](value);
    if (error) {
      const { line, column } = placeOf(value, error.offset);
      [message, offset] = [`${language}, line ${line}, column ${column}: ${error.message}.`, error.offset];
    } else if (language) {
      message = language === "YAML" ? "YAML: no error found" : `Valid ${language}`;
    }
  }
  setText("syntax", message);
  $("syntax").dataset.state = offset === null ? "valid" : "invalid";
  $("jump").hidden = offset === null;
  $("jump").value = offset ?? "";
}

start();
