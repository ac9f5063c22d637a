"""The built site: its pages, how the tests serve them, and what is watched when one opens."""

import os
from functools import cache
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

# The tests of the tests name a broken copy of their own.
SITE = Path(os.environ.get("CHAINRULE_SITE") or Path(__file__).parents[1] / "_build" / "html")
BESIDES = ("_static", "_sources", "_images", "_downloads")
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if path.relative_to(SITE).parts[0] not in BESIDES
)
CHAPTERS = [page for page in PAGES if page.startswith("book/")]
READ = [page for page in PAGES if page != "index.html"]  # that one only sends the reader on
SUB_PATH = "/some/where/"  # the site must work where it is not at the root of its host


class Page(HTMLParser):
    """What a page's markup refers to, and what can be referred to in it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.images, self.meta = [], [], [], {}
        self.lang = self.canonical = self.title = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if attributes.get("rel") == "canonical":
            self.canonical = attributes["href"]
            return
        for name in ("href", "src", "data", "poster", "action"):
            if attributes.get(name):
                self.links.append((tag, attributes[name]))
        if tag == "meta" and (attributes.get("http-equiv") or "").lower() == "refresh":
            self.links.append((tag, attributes["content"].partition("url=")[2]))
        elif tag == "meta":
            self.meta[attributes.get("name") or attributes.get("property")] = attributes.get(
                "content"
            )
        if tag == "img":
            self.images.append(attributes)
        if tag == "html":
            self.lang = attributes.get("lang")
        if tag == "title" and self.title is None:  # the first one: a figure has its own
            self.title = ""

    def handle_data(self, data):
        if self.title == "":
            self.title = data


@cache
def parsed(path, site=SITE):
    return Page((site / path).read_text(encoding="utf-8"))


class BelowAPath(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def translate_path(self, path):
        if not path.startswith(SUB_PATH):
            return "/nowhere"
        return super().translate_path(path.removeprefix(SUB_PATH[:-1]))

    def send_error(self, code, message=None, explain=None):
        """An address without a page gets the site's 404.html, as on GitHub Pages."""
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.exists():
            return super().send_error(code, message, explain)
        body = page.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def settle(page):
    """Wait for what a page asks for once it is loaded: its letters. (That the network is idle, Playwright misses at times.)"""
    page.evaluate("document.fonts.ready.then(() => {})")


def watch(page, home, path, complaints):
    """Write down whatever leaves the site (no name leads out: see `find_browser`), and what goes wrong inside it."""

    def allowed(url):
        return url.startswith((home, "data:", "blob:", "about:"))

    def complain(what):
        complaints.append(f"{path}: {what}")

    def on_failure(request):
        # what is ours and was given up by the browser itself, on leaving a page, is not amiss
        if not (allowed(request.url) and request.failure == "net::ERR_ABORTED"):
            complain(f"{request.failure}: {request.url}")

    def on_response(response):
        if response.status >= 400 and urlsplit(response.url).path != "/favicon.ico":
            complain(f"{response.status} {response.url}")

    page.on("request", lambda r: allowed(r.url) or complain(f"asks for {r.url}"))
    page.on("websocket", lambda socket: complain(f"asks for {socket.url}"))
    page.on("requestfailed", on_failure)
    page.on("response", on_response)
    page.on("pageerror", lambda error: complain(f"throws {error}"))
    page.on(
        "console",
        lambda m: (
            m.type in ("warning", "error", "assert") and complain(f"console {m.type}: {m.text}")
        ),
    )
