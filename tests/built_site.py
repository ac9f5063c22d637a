"""The built site: where it is, how the tests serve it, and what is watched when a page of it opens."""

import os
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

# The tests of the tests name a broken copy of their own.
SITE = Path(os.environ.get("CHAINRULE_SITE") or Path(__file__).parents[1] / "_build" / "html")
SUB_PATH = "/some/where/"  # the site must work where it is not at the root of its host


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


def watch(page, home, path, complaints):
    """Block and write down whatever leaves the site; write down what goes wrong inside it."""

    def allowed(url):
        return url.startswith((home, "data:", "blob:", "about:"))

    def complain(what):
        complaints.append(f"{path}: {what}")

    def route(route):
        if allowed(route.request.url):
            route.continue_()
        else:
            route.abort()

    def on_failure(request):
        # what is ours and was given up by the browser itself, on leaving a page, is not amiss
        if not (allowed(request.url) and request.failure == "net::ERR_ABORTED"):
            complain(f"{request.failure}: {request.url}")

    def on_response(response):
        if response.status >= 400 and urlsplit(response.url).path != "/favicon.ico":
            complain(f"{response.status} {response.url}")

    page.context.route("**/*", route)
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
