"use strict";
// Requests to the server, and its event streams.

class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? `The server answered with status ${status}.`);
    Object.assign(this, { status, body });
  }

  get isTemporary() {
    return this.status >= 500 || this.status === 429;
  }
}

// Kept by the browser until the tab is closed, for this tab only.
const token = {
  get: () => sessionStorage.getItem("token"),
  set: (value) => (value ? sessionStorage.setItem("token", value) : sessionStorage.removeItem("token")),
};

// Sends a request, and once more with each token that the user enters.
async function send(method, path, headers = {}, options = {}) {
  for (;;) {
    const used = token.get();
    const authorization = used ? { Authorization: `Bearer ${used}` } : {};
    const response = await fetch(path, { method, headers: { Accept: "text/plain", ...authorization, ...headers }, cache: "no-store", ...options });
    if (response.ok) return response;
    const body = await response.json().catch(() => ({}));
    if (response.status !== 401) throw new Problem(response.status, body);
    if (token.get() === used) await askForToken(used !== null);
    options.signal?.throwIfAborted();
  }
}

const versionOf = (response) => response.headers.get("ETag")?.replace(/^"|"$/g, "") ?? null;
const decode = async (response) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(await response.arrayBuffer());
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Whether the page takes no place from others: in the background, and while the browser keeps it for the way back.
const rest = { isLeft: false, get is() { return document.hidden || this.isLeft; } };

// An event stream that connects again until it is stopped. EventSource could not send a token.
class Stream {
  // - handlers: event(name, data, id), state(isLive, reason), problem(problem), which ends the stream
  constructor(path, handlers) {
    Object.assign(this, { path, handlers, lastID: null, failures: 0, isStopped: false });
    this.run();
  }

  stop() {
    this.isStopped = true;
    this.interrupt();
  }

  // Connects again at once.
  interrupt() {
    this.controller?.abort();
    this.wake?.();
  }

  async run() {
    while (!this.isStopped) {
      if (!rest.is) {
        try {
          await this.connect();
        } catch (error) {
          if (this.isStopped) return;
          if (error instanceof Problem && !error.isTemporary) {
            this.isStopped = true;
            return this.handlers.problem(error);
          }
          this.reason = error instanceof Problem ? error.message : "";
        }
        clearTimeout(this.watch);
        if (this.isStopped) return;
        if (!rest.is) this.handlers.state(false, this.reason);
      }
      const milliseconds = rest.is ? 3600e3 : Math.min(15e3, 250 * 2 ** this.failures++) * (0.8 + 0.4 * Math.random());
      await Promise.race([sleep(milliseconds), new Promise((resolve) => (this.wake = resolve))]);
    }
  }

  async connect() {
    this.controller = new AbortController();
    this.reason = "";
    const resume = this.lastID ? { "Last-Event-ID": this.lastID } : {};
    const response = await send("GET", this.path, { Accept: "text/event-stream", ...resume }, { signal: this.controller.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream("utf-8", { ignoreBOM: true })).getReader();
    // A stream that the server cannot serve now ends at once.
    const settled = setTimeout(() => this.live(), 300);
    try {
      for (let rest = "", seen = 0; ;) {
        clearTimeout(this.watch);
        // Three heartbeats: a connection can be lost without a sign.
        this.watch = setTimeout(() => this.controller.abort(), 50e3);
        const { value, done } = await reader.read();
        if (done) return;
        rest += value;
        for (let end; (end = rest.indexOf("\n\n", seen)) >= 0; seen = 0) {
          const block = rest.slice(0, end);
          rest = rest.slice(end + 2);
          this.receive(block.split("\n"));
        }
        seen = Math.max(0, rest.length - 1);
      }
    } finally {
      clearTimeout(settled);
    }
  }

  receive(lines) {
    let [name, id, data] = ["message", null, null];
    for (const line of lines) {
      const [, field, value] = /^([^:]*):? ?([^]*)$/.exec(line);
      if (field === "") this.reason = value;
      else if (field === "event") name = value;
      else if (field === "id") id = value;
      else if (field === "data") data = data === null ? [value] : (data.push(value), data);
    }
    if (data === null) return;
    this.live();
    if (id !== null) this.lastID = id;
    this.handlers.event(name, data.join("\n").replaceAll("\0", "\r"), id);
  }

  live() {
    this.failures = 0;
    this.handlers.state(true);
  }
}
