"""Firefox and WebKit, driven by the protocols that they bring: WebDriver BiDi, and WebDriver.

Playwright drives builds of its own of these two, which come from no package registry. What the tests need of them
is little: open a page, run a function in it, press keys, move and press the mouse.
"""

import json
import os
import socket
import time
import urllib.request
from contextlib import contextmanager

import find_browser
import websocket
from processes import running

WIDTH, HEIGHT = 1280, 900
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Shift": "\ue008", "Escape": "\ue00c", "End": "\ue010",
        "Home": "\ue011", "ArrowLeft": "\ue012", "ArrowRight": "\ue014", "ArrowDown": "\ue015"}  # fmt: skip
# The protocol of WebKit tells of no console: the page itself listens, from when it has loaded.
LISTEN = """() => {
    globalThis.complaints = [];
    const say = (what) => complaints.push(String(what));
    addEventListener("error", (event) => say(event.message));
    addEventListener("unhandledrejection", (event) => say(event.reason));
    addEventListener("securitypolicyviolation", (event) => say(`${event.violatedDirective} ${event.blockedURI}`));
    console.error = console.warn = say;
}"""
MIDDLE = """(selector, number, at) => {
    const element = [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility())[number];
    if (!element) throw new Error(`nothing to be seen is ${selector}`);
    element.scrollIntoView({ block: "center", behavior: "instant" });
    const { x, y, width, height } = element.getBoundingClientRect();
    return [Math.round(x + width * at[0]), Math.round(y + height * at[1])];
}"""


class Engine:
    """What a reader does, in either browser. A browser's own part is `open`, `evaluate` and `perform`."""

    def run(self, function, *arguments):
        """What a function of the page, given as source, returns for JSON's arguments."""
        call = f"({function})(...{json.dumps(arguments)})"
        said = self.evaluate(f"Promise.resolve({call}).then((it) => JSON.stringify(it ?? null))")
        return json.loads(said)

    def wait(self, function, *arguments, seconds=20):
        """Until the function returns something true."""
        end = time.monotonic() + seconds
        while not self.run(f"async (...all) => Boolean(await ({function})(...all))", *arguments):
            if time.monotonic() > end:
                raise TimeoutError(f"{function} {arguments} has not come true in {seconds} seconds")
            time.sleep(0.05)

    def middle(self, selector, number=0, at=(0.5, 0.5)):
        """Scroll to an element that can be seen, the first unless said otherwise: the place of a point in it."""
        return self.run(MIDDLE, selector, number, at)

    def click(self, selector, number=0, at=(0.5, 0.5)):
        self.drag([self.middle(selector, number, at)])

    def drag(self, places):
        """Press at the first place, move over the others, let go at the last."""
        move = [{"type": "pointerMove", "x": x, "y": y, "duration": 20} for x, y in places]
        down, up = ({"type": f"pointer{way}", "button": 0} for way in ("Down", "Up"))
        self.perform("pointer", [move[0], down, *move[1:], up])

    def press(self, *keys):
        """Press the keys one after the other; "Shift+Tab" holds the first."""
        steps = []
        for key in keys:
            held = [KEYS.get(name, name) for name in key.split("+")] if len(key) > 1 else [key]
            steps += [{"type": "keyDown", "value": name} for name in held]
            steps += [{"type": "keyUp", "value": name} for name in reversed(held)]
        self.perform("key", steps)

    def perform(self, kind, steps):
        source = {"type": kind, "id": kind, "actions": steps}
        if kind == "pointer":
            source["parameters"] = {"pointerType": "mouse"}
        self.send_actions([source])


class Firefox(Engine):
    """Firefox over WebDriver BiDi."""

    name = "firefox"

    def __init__(self, address):
        self.socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
        self.number, self.said = 0, []
        capabilities = self.send("session.new", capabilities={})["capabilities"]
        self.version = capabilities["browserVersion"]
        self.send("session.subscribe", events=["log.entryAdded"])
        self.context = self.send("browsingContext.create", type="tab")[
            "context"
        ]  # the first one has no focus
        self.resize(WIDTH, HEIGHT)

    def send(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("method") == "log.entryAdded" and answer["params"]["level"] != "info":
                self.said.append(answer["params"]["text"])
            if answer.get("id") == self.number:
                if answer["type"] == "error":
                    raise RuntimeError(answer["message"])
                return answer["result"]

    def resize(self, width, height):
        size = {"width": width, "height": height}
        self.send("browsingContext.setViewport", context=self.context, viewport=size)

    def open(self, address):
        self.said.clear()
        self.send("browsingContext.navigate", context=self.context, url=address, wait="complete")

    def evaluate(self, expression):
        target = {"context": self.context}
        found = self.send(
            "script.evaluate", expression=expression, target=target, awaitPromise=True
        )
        if found["type"] == "exception":
            raise RuntimeError(found["exceptionDetails"]["text"])
        return found["result"]["value"]

    def send_actions(self, actions):
        self.send("input.performActions", context=self.context, actions=actions)

    def complaints(self):
        """What the console said since the page was opened, and what was thrown."""
        self.run("() => null")  # so that all events of before have arrived
        return list(self.said)


class WebKit(Engine):
    """WebKit's MiniBrowser over WebDriver."""

    name = "webkit"

    def __init__(self, address):
        self.address = f"{address}/session"
        found = self.send("", {"capabilities": {}})
        self.version = found["capabilities"]["browserVersion"]
        self.address += f"/{found['sessionId']}"
        self.resize(WIDTH, HEIGHT)

    def send(self, path, body):
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def resize(self, width, height):
        """The window so wide and high that the page is."""
        self.send("/window/rect", {"width": width, "height": height})
        inner = self.run("() => [innerWidth, innerHeight]")
        more = {"width": 2 * width - inner[0], "height": 2 * height - inner[1]}
        self.send("/window/rect", more)

    def open(self, address):
        self.send("/url", {"url": address})
        self.run(LISTEN)

    def evaluate(self, expression):
        return self.send("/execute/sync", {"script": f"return {expression}", "args": []})

    def send_actions(self, actions):
        self.send("/actions", {"actions": actions})

    def complaints(self):
        return self.run("() => complaints")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def connect(make, address, patience=60):
    """What `make(address)` gives, once something listens there."""
    end = time.monotonic() + patience
    while True:
        try:
            return make(address)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@contextmanager
def firefox(folder):
    """Headless Firefox with a profile of its own in `folder`."""
    port = free_port()
    # It asks for updates, lists and portals otherwise.
    quiet = {"app.update.auto": False, "network.captive-portal-service.enabled": False,
             "network.connectivity-service.enabled": False, "services.settings.server": "data:,#",
             "browser.safebrowsing.update.enabled": False}  # fmt: skip
    lines = [
        f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in quiet.items()
    ]
    (folder / "user.js").write_text("\n".join(lines))
    command = [find_browser.find_firefox(), "--headless", "--no-remote", "--profile", str(folder)]
    command += [f"--remote-debugging-port={port}", "about:blank"]
    # A container's root may not make a sandbox, as find_browser says of Chromium.
    home = {**os.environ, "HOME": str(folder), "MOZ_DISABLE_CONTENT_SANDBOX": "1"}
    with (
        open(folder / "log", "w") as log,
        running(command, env=home, stdout=log, stderr=log),
    ):
        engine = connect(Firefox, f"ws://127.0.0.1:{port}/session")
        yield engine
        engine.socket.close()


@contextmanager
def webkit(folder):
    """WebKit in a screen that nobody sees."""
    port = free_port()
    read, write = os.pipe()
    screen = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    with (
        open(folder / "log", "w") as log,
        running(screen, pass_fds=[write], stdout=log, stderr=log),
    ):
        os.close(write)
        with os.fdopen(read) as told:
            display = f":{told.readline().strip()}"
        home = {**os.environ, "DISPLAY": display, "HOME": str(folder), "NO_AT_BRIDGE": "1",
                "GDK_BACKEND": "x11", "LIBGL_ALWAYS_SOFTWARE": "1"}  # fmt: skip
        command = ["WebKitWebDriver", f"--port={port}", "--host=127.0.0.1"]
        with running(command, env=home, stdout=log, stderr=log):
            yield connect(WebKit, f"http://127.0.0.1:{port}")
