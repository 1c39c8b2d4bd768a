"use strict";
// The page: which segments there are, and the text of one of them.

const $ = (id) => document.getElementById(id);

function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function button(label, action, kind = "") {
  const made = make("button", { type: "button", class: kind }, label);
  made.onclick = action;
  return made;
}

const entries = new Map(); // the list: what the server says of each segment
const segments = new Map(); // what this page knows of each, with the user's draft
const live = { text: null, list: null, reason: "", since: 0 };
let current, textStream, listStream;

const newSegment = (name, href) => ({ name, href, state: "loading", text: null, version: null, draft: null, methods: new Set() });

function segmentNamed(name) {
  if (!segments.has(name)) segments.set(name, newSegment(name, `/shared/${name}`));
  return segments.get(name);
}

// The editor knows one kind of line ending.
const normalize = (text) => (text ?? "").replace(/\r\n?/g, "\n");
const usesCRLF = (text) => /\r\n/.test(text ?? "") && !/\r(?!\n)|(?:^|[^\r])\n/.test(text);
const forSaving = (segment) => (usesCRLF(segment.text) ? segment.draft.replaceAll("\n", "\r\n") : segment.draft);
const bytes = (count) => `${count.toLocaleString("en")} ${count === 1 ? "byte" : "bytes"}`;
const isConflict = (segment) => segment.draft !== null && segment.state === "here" && segment.base !== segment.version && !segment.isSaving;

function messageOf(error) {
  return error instanceof Problem ? error.message : error instanceof TypeError ? "The server cannot be reached. Try again when the connection is back." : String(error);
}

function announce(message) {
  $("news").textContent = message;
}

// MARK: Which segment

function select(segment, isNew = true) {
  if (isNew && segment !== current) history.pushState(null, "", segment.href);
  textStream?.stop();
  current = segment;
  $("menu").setAttribute("aria-expanded", "false");
  charts.clear();
  follow(segment);
  learn(segment);
  show();
}

function selectFromAddress() {
  const name = /^\/shared\/(.+)$/.exec(location.pathname)?.[1];
  if (name) select(segmentNamed(decodeURIComponent(name)), false);
  else select(newSegment(null, "/shared"), false);
}

// Finds the name of the segment that /shared leads to: its version begins like that in the list.
function identify() {
  if (current.name !== null || live.list === null) return;
  const instance = current.version?.split("-")[0];
  const entry = [...entries.values()].find((each) => each.version.split("-")[0] === instance);
  // Another segment takes the place only of one without a draft, which would be lost.
  if (entry && segments.get(entry.name)?.draft != null) {
    if (current.draft === null) select(segmentNamed(entry.name), false);
  } else if (entry) {
    current.name = entry.name;
    segments.set(entry.name, current);
  } else if (current.draft === null && current.state !== "loading" && entries.size) {
    select(segmentNamed(entries.keys().next().value), false);
  }
}

function follow(segment) {
  textStream?.stop();
  textStream = new Stream(segment.href, {
    event: (name, data, id) => {
      if (name !== "removed") return receive(segment, data, id);
      textStream.stop();
      lose(segment, null);
    },
    state: (isLive, reason) => setLive("text", isLive, reason),
    problem: (problem) => lose(segment, problem),
  });
}

// Learns which methods the client may use, and whether older versions are kept.
async function learn(segment) {
  try {
    const response = await send("OPTIONS", segment.href);
    segment.methods = new Set(response.headers.get("Allow").split(", "));
    segment.hasHistory = segment.state !== "missing" && predecessor(await send("HEAD", segment.href)) !== null;
  } catch {
    // The stream says what is wrong.
  }
  show();
}

// MARK: What the server tells

function receive(segment, text, version) {
  const isNews = segment.version !== null && segment.version !== version;
  Object.assign(segment, { state: "here", problem: null, text, version });
  if (segment.draft !== null && segment.draft === normalize(text)) segment.draft = null;
  identify();
  if (isNews) {
    announce(`The text has changed${setter(segment)}.`);
    clearTimeout(segment.learning);
    if (!segment.hasHistory) segment.learning = setTimeout(learn, 1500, segment);
  }
  if (segment.comparing) isConflict(segment) ? showConflict(segment) : closeComparison();
  show();
}

// The segment was removed, or cannot be read.
function lose(segment, problem) {
  Object.assign(segment, { state: problem && problem.status !== 404 ? "refused" : "missing", problem, text: null, version: null, hasHistory: false });
  setLive("text", true);
  learn(segment);
  identify();
  show();
}

function receiveList(name, data) {
  const value = JSON.parse(data);
  if (name === "list") {
    entries.clear();
    for (const entry of value.segments) entries.set(entry.name, entry);
  } else if (name === "removed") {
    entries.delete(value.name);
  } else {
    entries.set(value.name, value);
  }
  identify();
  if (current.state === "missing" && entries.has(current.name)) {
    current.state = "loading";
    follow(current);
    learn(current);
  }
  show();
}

function setLive(which, isLive, reason = "") {
  const wasLost = live.text === false || live.list === false;
  live[which] = isLive;
  if (reason) live.reason = reason;
  const isLost = live.text === false || live.list === false;
  if (isLost && !wasLost) live.since = Date.now();
  if (!isLost) live.reason = "";
  if (wasLost && !isLost) learn(current);
  show();
}

// MARK: Saving

async function put(segment, body, condition) {
  const response = await send("PUT", segment.href, { "Content-Type": "text/plain; charset=utf-8", ...condition }, { body });
  const version = versionOf(response);
  const [instance, number] = version.split("-");
  const [knownInstance, knownNumber] = segment.version?.split("-") ?? [];
  // The stream may have told a later version by now.
  if (instance !== knownInstance || +number >= +knownNumber) Object.assign(segment, { text: body, version, state: "here", problem: null });
  return version;
}

async function save(segment) {
  if (segment.draft === null || segment.isSaving || !segment.methods.has("PUT")) return;
  const draft = segment.draft;
  Object.assign(segment, { isSaving: true, fault: null });
  show();
  try {
    const condition = segment.state === "missing" ? { "If-None-Match": "*" } : { "If-Match": `"${segment.base}"` };
    const version = await put(segment, forSaving(segment), condition);
    if (segment.draft === draft) segment.draft = null;
    else Object.assign(segment, { base: version, baseText: draft });
    announce("Saved.");
    if (textStream.isStopped) follow(segment);
  } catch (error) {
    segment.fault = messageOf(error);
    if (error.status === 412) await lookAtTheirs(segment);
    if (error.status === 403 || error.status === 405) segment.methods.delete("PUT");
  }
  segment.isSaving = false;
  if (isConflict(segment)) showConflict(segment);
  show();
}

async function lookAtTheirs(segment) {
  try {
    const response = await send("GET", segment.href);
    Object.assign(segment, { text: await decode(response), version: versionOf(response), state: "here", fault: null });
  } catch (error) {
    segment.fault = messageOf(error);
  }
}

function edit() {
  const value = $("text").value;
  if (value === normalize(current.text) && current.state === "here") {
    current.draft = null;
  } else {
    if (current.draft === null) Object.assign(current, { base: current.version, baseText: normalize(current.text) });
    current.draft = value;
  }
  current.fault = null;
  show();
}

// MARK: Starting

function start() {
  setUpDialogs();
  setUpView();
  selectFromAddress();
  listStream = new Stream("/shared/", {
    event: receiveList,
    state: (isLive, reason) => setLive("list", isLive, reason),
    problem: (problem) => {
      live.list = true;
      if (current.state === "loading") lose(current, problem);
    },
  });
  charts.run();
  addEventListener("popstate", selectFromAddress);
  let hiding;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(reconnect, 30e3);
    else for (const stream of [textStream, listStream]) stream.wake?.();
  });
  addEventListener("online", reconnect);
  for (const type of ["pagehide", "pageshow"]) {
    addEventListener(type, (event) => {
      rest.isLeft = type === "pagehide";
      if (rest.isLeft || event.persisted) reconnect();
    });
  }
}

function reconnect() {
  for (const stream of [textStream, listStream]) {
    stream.failures = 0;
    stream.interrupt();
  }
}
