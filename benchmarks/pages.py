"""How soon a chapter can be used, and how much it loads: our page beside Jupyter Book's defaults. `make bench` prints this.

The same chapter is built with a default configuration. What its page takes from content networks comes here from
npm, by version and hash, and is served by the same local server as the rest, compressed. The two pages are opened
in turn, each time with an empty cache, on a connection of 1.6 Mbit/s with 150 ms of delay and a processor slowed
down four times: a phone in a train. A page is interactive when a real click on Next step has moved its first figure.
The default page is spared what its other hosts cost: looking up three names, and three handshakes.
"""

import base64
import gzip
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import find_browser

ROOT = Path(__file__).parents[1]
CHAPTER, ROUNDS = "book/01_computational_graphs", 5
PATIENCE = 120  # seconds for one page
NPM = {  # package: (version, its hash as npm gives it)
    "@jupyter-widgets/html-manager": (
        "1.0.6",
        "+Mn+Ra8wyIHrYaUpfmf9A3dsLkt/NuwzPQN8sthdxBD35VV5cOJbpmgMhNR27n/rmP3mKyEe0PWCJrtZrXTXDQ==",
    ),
    "anywidget": (
        "0.11.0",
        "LHZgW2j5UjyerZSZcO+BtZPXGMSORQV2bUT480hOR5x/BXS8sOradi/71amJfMueSEnKX0dqPwTfsOGHTsyZpQ==",
    ),
    "mathjax": (
        "3.2.2",
        "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
    ),
    "requirejs": (
        "2.3.4",
        "qPD5gRrj6kGQ0ZySAJgqbArkaDqPMbQIT0zSZDkIv1mfA17w/tR2Faq5l2qqRf2CdQx6FWln9nUrgd2UDzb19A==",
    ),
}
NETWORKS = {  # what the default page writes: what is written instead
    "https://cdn.jsdelivr.net/npm/": "/npm/",
    "https://cdnjs.cloudflare.com/ajax/libs/require.js/2.3.4/require.min.js": "/npm/requirejs/require.js",
}
DEFAULTS = {
    "_config.yml": "title: Defaults\nexecute:\n  execute_notebooks: force\n",
    "_toc.yml": f"format: jb-book\nroot: {CHAPTER}\n",
}
SLOW = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1.6e6 / 8,
    "uploadThroughput": 0.75e6 / 8,
}
SCRIPTS_BAR, TIME_BAR = 1_800_000 / 30, 1 / 3
ON_A_PHONE, SCREEN_BAR = ("book/01_computational_graphs", "book/07_network"), 2.5  # seconds
LARGEST = """new PerformanceObserver((list) => {
    for (const { startTime } of list.getEntries()) globalThis.largest = startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });"""

CLICK = """() => {
    const figure = document.querySelector(".chainrule-stepper");
    const button = figure?.querySelector('button[aria-label="Next step"]');
    if (!button) return null;
    const step = () => Number(figure.dataset.step);
    globalThis.before ??= step();
    if (step() > before) return "moved";
    button.scrollIntoView({ block: "center" });
    const { x, y, width, height } = button.getBoundingClientRect();
    button.onclick ??= () => setTimeout(() => { if (step() > before) globalThis.moved ??= performance.now(); });
    return [x + width / 2, y + height / 2];
}"""
WEIGHTS = """() => {
    const sum = {};
    for (const { name, encodedBodySize, decodedBodySize } of performance.getEntriesByType("resource")) {
        const kind = new URL(name).pathname.split(".").pop();
        const [raw, packed] = sum[kind] ?? [0, 0];
        sum[kind] = [raw + decodedBodySize, packed + encodedBodySize];
    }
    return sum;
}"""


class Compressing(SimpleHTTPRequestHandler):
    """Serves a folder as GitHub Pages and content networks do, and npm's packages under any version."""

    protocol_version = "HTTP/1.1"

    def translate_path(self, path):
        return super().translate_path(re.sub(r"^(/npm/(?:@[^/]+/)?[^/@]+)@[^/]+", r"\1", path))

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        body, packed = packed_file(path)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(body)))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@cache
def packed_file(path):
    """(what is sent, whether it is compressed)"""
    packed = path.suffix in (".html", ".js", ".css", ".svg", ".json")
    return gzip.compress(path.read_bytes(), 6) if packed else path.read_bytes(), packed


def build_defaults(folder):
    """The chapter under Jupyter Book's defaults, with what it loads from other hosts beside it."""
    for name, text in DEFAULTS.items():
        (folder / name).write_text(text)
    (folder / "book").mkdir()
    shutil.copy(ROOT / f"{CHAPTER}.ipynb", folder / "book")
    builder = Path(sys.executable).with_name("jupyter-book")
    subprocess.run([builder, "build", folder, "--quiet"], check=True, capture_output=True)
    site = folder / "_build" / "html"
    for name, (version, digest) in NPM.items():
        unpack(name, version, digest, site / "npm" / name)
    page = site / f"{CHAPTER}.html"
    text = page.read_text()
    for theirs, ours in NETWORKS.items():
        assert theirs in text, f"the default page no longer loads {theirs}"
        text = text.replace(theirs, ours)
    page.write_text(re.sub(r' integrity="[^"]*"', "", text))  # npm has RequireJS in another form
    without_comments(site / "npm" / "requirejs" / "require.js")
    return site


def without_comments(script):
    """npm does not have RequireJS minified, as pages load it; most of the difference is comments."""
    lines = (line.strip() for line in script.read_text().splitlines())
    kept = [line for line in lines if line and not line.startswith(("//", "/*", "*"))]
    script.write_text("\n".join(kept))


def unpack(name, version, digest, target):
    """A package of npm into the folder `target`; fetched once, and refused if its hash is another."""
    address = f"https://registry.npmjs.org/{name}/-/{name.split('/')[-1]}-{version}.tgz"
    archive = pooch.retrieve(
        address,
        known_hash=f"sha512:{base64.b64decode(digest).hex()}",
        path=pooch.os_cache("chainrule-bench"),
        fname=f"{name.replace('/', '-')}-{version}.tgz",
    )
    target.mkdir(parents=True)
    shutil.unpack_archive(archive, target, filter="data")
    for part in (target / "package").iterdir():
        part.rename(target / part.name)


def serve(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Compressing, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/{CHAPTER}.html"


def slowed(context):
    """A new page on the slow line and the slow processor."""
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", SLOW)
    line.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    return page


def first_screen(browser, address):
    """Seconds until a phone shows the largest thing of its first screen (largest contentful paint)."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True)
    page = slowed(context)
    page.add_init_script(LARGEST)
    page.goto(address, wait_until="networkidle")
    seconds = page.evaluate("largest") / 1000
    context.close()
    return seconds


def open_once(browser, address):
    """(seconds until the first figure has moved, {kind of file: (bytes, bytes of gzip)})"""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = slowed(context)
    page.goto(address, wait_until="commit")
    end = time.monotonic() + PATIENCE
    while (place := page.evaluate(CLICK)) != "moved":
        if place:
            page.mouse.click(*place)
        if time.monotonic() > end:
            raise TimeoutError(f"{address}: no figure moved within {PATIENCE} seconds")
        page.wait_for_timeout(20)
    seconds = page.evaluate("moved") / 1000
    page.wait_for_load_state("networkidle")
    weights = page.evaluate(WEIGHTS)
    context.close()
    return seconds, weights


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def report(times, weights):
    """Print both pages beside each other, and their ratios beside the bars."""
    print(f"{'':<22}{'ours':>20}{'defaults':>22}{'ratio':>8}")
    for kind, what in (("js", "scripts"), ("css", "styles")):
        for k, form in enumerate(("", ", gzip")):
            ours, theirs = (weights[name].get(kind, (0, 0))[k] / 1000 for name in times)
            print(f"{f'{what}{form}, kB':<22}{ours:>20.1f}{theirs:>22.1f}{ours / theirs:>8.3f}")
    medians = [statistics.median(values) for values in times.values()]
    shown = [spread(values) for values in times.values()]
    ratio = medians[0] / medians[1]
    print(f"{'interactive after, s':<22}{shown[0]:>20}{shown[1]:>22}{ratio:>8.3f}")
    print(
        f"Bars: {SCRIPTS_BAR / 1000:g} kB of scripts, gzip, and {TIME_BAR:.3f} of the time, at most."
    )


def main():
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        addresses = {
            "ours": serve(ROOT / "_build" / "html"),
            "defaults": serve(build_defaults(Path(folder))),
        }
        browser = playwright.chromium.launch(
            executable_path=find_browser.find(whole=True),
            args=find_browser.ARGUMENTS,
            chromium_sandbox=False,
        )
        print(f"{CHAPTER}, {ROUNDS} times each, in turn\n1.6 Mbit/s, 150 ms, processor 4x slower")
        times, weights = {name: [] for name in addresses}, {}
        for _ in range(ROUNDS):
            for name, address in addresses.items():
                seconds, weights[name] = open_once(browser, address)
                times[name].append(seconds)
        report(times, weights)
        for chapter in ON_A_PHONE:
            address = addresses["ours"].replace(CHAPTER, chapter)
            seconds = [first_screen(browser, address) for _ in range(ROUNDS)]
            print(f"{chapter}, first screen of a phone: {spread(seconds)} s; bar: {SCREEN_BAR} s")
        browser.close()


if __name__ == "__main__":
    main()
