"""The content security policy that a built site can be served under: what may run in it, and nothing else.

A page holds a few short scripts of the theme in its own text. Each is allowed by the hash of what it
says, so that a script that anybody smuggled in would not run. `HOSTING.md` says what to do with it.
"""

import hashlib
from base64 import b64encode
from html.parser import HTMLParser

FILE = "content-security-policy.txt"
HEADER = (
    "default-src 'self'; script-src 'self' 'unsafe-hashes' {hashes}; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; frame-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)


class Inline(HTMLParser):
    """The scripts that stand in a page itself: in `script` elements, and in attributes such as onclick."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self.open = set(), False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.scripts.update(
            value for name, value in attributes if name.startswith("on") and value is not None
        )
        data = "json" in (named.get("type") or "")
        self.open = tag == "script" and "src" not in named and not data

    def handle_data(self, data):
        if self.open:
            self.scripts.add(data)

    def handle_endtag(self, tag):
        self.open = False


def header(pages):
    """The policy, one line of text, for pages given as HTML."""
    scripts = set().union(*(Inline(page).scripts for page in pages))
    return HEADER.format(hashes=" ".join(sorted(map(allowed, scripts))))


def allowed(script):
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{b64encode(digest).decode()}'"
