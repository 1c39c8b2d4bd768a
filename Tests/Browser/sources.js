// What Scripts/browser runs in its page. The page tells it what each EventSource sees, through `report`.

document.cookie = "theme=dark";

const follow = (report, url, options) => {
    const source = new EventSource(url, options);
    const note = ({ type, data, lastEventId: id, origin }) => {
        const text = data?.replaceAll("\0", "\r");
        report({ type, state: source.readyState, id, text, origin, time: performance.now() });
    };
    note({ type: "new" });
    for (const type of ["open", "message", "other", "error"]) source.addEventListener(type, note);
    return () => { source.close(); note({ type: "close" }); };
};

// In a worker: follows what the page asks for, until it asks for nothing.
const serve = (port) => {
    let close;
    port.onmessage = ({ data: request }) => {
        if (request) close = follow((entry) => port.postMessage(entry), ...request);
        else close();
    };
};
const code = URL.createObjectURL(new Blob([`
    const follow = ${follow}, serve = ${serve};
    if (self.SharedWorkerGlobalScope) onconnect = ({ ports: [port] }) => serve(port);
    else serve(self);
`]));
const followIn = (port, report, ...request) => {
    port.onmessage = ({ data: entry }) => report(entry);
    port.postMessage(request);
    return () => port.postMessage(null);
};

let worker;
const kinds = {
    "window": follow,
    "worker": (...request) => followIn(worker = new Worker(code), ...request),
    "shared worker": (...request) => followIn(new SharedWorker(code).port, ...request),
};
const close = [];
const begin = (number, kind, path, options) => {
    const send = (entry) => report(JSON.stringify([number, entry]));
    close[number] = kinds[kind](send, new URL(path, location).href, options);
};
