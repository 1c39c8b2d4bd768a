// fetch
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
    const [method, path, body, ...fields] = line.split("\t");
    const isStream = method === "EVENTS";
    const leaving = new AbortController();
    const response = await fetch(process.argv[2] + path, {
        method: isStream ? "GET" : method,
        body: body === "-" ? undefined : body,
        headers: fields.map((field) => field.split(/: (.*)/s).slice(0, 2)),
        signal: leaving.signal,
    });
    let text = "";
    if (isStream) {
        let received = "";
        for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
            received += piece;
            text = received.match(/^data: (.*)\n/m)?.[1] ?? "";
            if (text) break;
        }
        leaving.abort();
    } else {
        text = await response.text();
    }
    console.log([response.status, response.headers.get("etag") ?? "", text.replaceAll("\n", "\\n")].join("\t"));
}
// A connection that was left open would keep the process.
process.exit(0);
