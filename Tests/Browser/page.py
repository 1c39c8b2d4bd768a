"""The server's page in a browser: what a test does with it, and what it may not do."""
import base64
import json
import pathlib

import devtools

THEMES = ["light", "dark"]
SIZES = [(360, 740), (1280, 800)]
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "s": 83}


class Page(devtools.DevTools):
    def __init__(self, command, profile, axe, pictures):
        super().__init__(command, profile)
        self.axe, self.pictures = axe.read_text(), pictures
        self.faults = []  # errors in scripts, and what the page's policy has stopped
        self.requests = []
        self.responses = {}
        self.documents = {}  # bytes of each document that was loaded, its head included
        self.states = 0
        self.attach("Network", "Page", "Runtime", "Log")
        self.size(1280, 800)

    def reported(self, method, parameters):
        if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.faults.append(json.dumps(parameters))
        elif method == "Log.entryAdded":
            entry = parameters["entry"]
            # A browser reports each answer of status 400 or more as an error from the network.
            if entry["source"] != "network":
                self.faults.append(json.dumps(entry))
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Network.responseReceived" and parameters["type"] == "Document":
            self.responses[parameters["requestId"]] = parameters["response"]
        elif method == "Network.loadingFinished" and parameters["requestId"] in self.responses:
            self.documents[parameters["requestId"]] = parameters["encodedDataLength"]
        elif method == "Page.javascriptDialogOpening":
            self.send("Page.handleJavaScriptDialog", accept=True)

    def seen(self):
        return self.faults

    def go(self, url):
        self.methods.discard("Page.loadEventFired")
        self.call("Page.navigate", url=url)
        self.eventually(f"{url}", lambda: "Page.loadEventFired" in self.methods)

    def until(self, condition):
        """Waits until an expression is true, in the next page if this one gives way to it."""
        script = f"""new Promise((resolve, reject) => {{
            const end = Date.now() + 50000;
            const look = () => {{
                if ({condition}) resolve();
                else if (Date.now() > end) reject(Error({json.dumps(condition)} + " never came true: " + document.body.innerText));
                else setTimeout(look, 5);
            }};
            look();
        }})"""
        try:
            self.run(script)
        except devtools.Interrupted:
            self.run(script)

    def shows(self, text):
        self.until(f"document.getElementById('text').value === {json.dumps(text)}")

    def says(self, words, where="body"):
        self.until(f"document.querySelector({json.dumps(where)})?.innerText.includes({json.dumps(words)})")

    def key(self, key, modifiers=0, count=1):
        for _ in range(count):
            common = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key], "modifiers": modifiers}
            text = {"Enter": "\r", " ": " "}.get(key)
            self.call("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
            self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def save(self):
        self.key("s", modifiers=2)

    def write(self, text):
        """Replaces what is in the field that has the focus."""
        self.run("document.activeElement.select()")
        self.call("Input.insertText", text=text)

    def edit(self, text):
        self.until("!document.getElementById('text').readOnly")
        self.run("document.getElementById('text').focus()")
        self.write(text)

    def press(self, label):
        """Clicks the visible button with this label."""
        find = ("[...document.querySelectorAll('button')].find((each) => each.innerText.trim() === "
                f"{json.dumps(label)} && !each.disabled && each.checkVisibility())")
        self.until(find)
        self.run(f"{find}.click()")

    def reach(self, selector):
        """Moves the focus to an element with the Tab key."""
        for _ in range(60):
            if self.run(f"document.activeElement?.matches({json.dumps(selector)}) ?? false"):
                return
            self.key("Tab")
        raise SystemExit(f"page: the Tab key does not reach {selector}")

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)

    def inspect(self, state):
        """Takes a picture of a state in each theme and size, and looks for what is not accessible or not visible."""
        self.states += 1
        self.run(self.axe + "; 0")
        for theme in THEMES:
            self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
            for width, height in SIZES:
                self.size(width, height)
                name = f"{state}-{theme}-{width}"
                picture = self.call("Page.captureScreenshot", format="png")["data"]
                pathlib.Path(self.pictures, f"{name}.png").write_bytes(base64.b64decode(picture))
                found = self.run("""axe.run().then(({ violations }) => violations.map(({ id, nodes }) =>
                    [id, ...nodes.map((node) => node.html + " " + node.failureSummary)]))""")
                if found:
                    raise SystemExit(f"page: axe-core finds in {name}: {json.dumps(found, indent=1)}")
                if self.run(f"document.documentElement.scrollWidth > {width}"):
                    raise SystemExit(f"page: {name} is wider than the window")
