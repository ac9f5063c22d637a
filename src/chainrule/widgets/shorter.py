"""The script of a page with short names, for weight: less than a fifth of it is left out by that.

Every variable gets a short name, the same one everywhere, so that nothing has to be known of scopes.
Properties, keys and globals stay; a shorthand {name} becomes {name:short}.
"""

import itertools
import re
import string
from collections import Counter

REGEX = r"/(?![/*\s])(?:\\.|\[(?:\\.|[^\]\n])*\]|[^/\\\n\[])+/[a-z]*"
TOKEN = re.compile(
    rf"(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')|(?P<regex>(?:(?<=[=(,:!&|?])|(?<=[=(,:!&|?] )){REGEX})"
    r"|(?P<name>[A-Za-z_$][\w$]*)|(?P<number>\d[\w.]*)|(?P<blank>\s+)|(?P<sign>=>|\.\.\.|\?\.|.)"
)
TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(`|\$\{)", re.DOTALL)
KEPT = set(
    # the language
    "as async await break case catch class const constructor continue default delete do else export extends "
    "finally for from function get if import in instanceof let new null of return set static super switch "
    "this throw true false try typeof undefined var void while yield arguments "
    # what a browser has
    "Array BigInt Blob Boolean Date CSS Error Infinity IntersectionObserver JSON KeyboardEvent PointerEvent CustomEvent Event RegExp Symbol Map Math MutationObserver NaN "
    "Number Object Promise ResizeObserver Set String URL WeakMap WeakSet addEventListener "
    "cancelAnimationFrame clearInterval clearTimeout console document getComputedStyle globalThis "
    "innerHeight innerWidth isFinite isNaN localStorage location matchMedia navigator parseFloat parseInt "
    "performance removeEventListener requestAnimationFrame setInterval setTimeout structuredClone window "
    # what the module gives to others
    "hydrate".split()
)


def tokens_of(source):
    """(kind, text) of every token; what stands in a template's ${...} is cut up as well."""
    at, depths = 0, []
    while at < len(source):
        if source[at] == "`" or (depths and source[at] == "}" and depths[-1] == 0):
            if source[at] == "}":
                depths.pop()
            end = TEMPLATE.match(source, at + 1)
            if end[1] == "${":
                depths.append(0)
            yield "text", source[at : end.end()]
            at = end.end()
            continue
        match = TOKEN.match(source, at)
        if depths and match[0] in ("{", "}"):
            depths[-1] += 1 if match[0] == "{" else -1
        yield match.lastgroup, match[0]
        at = match.end()


def shorter(source):
    """The same module with short names; it exports `default` and `hydrate` alone."""
    source = re.sub(r"^export (?!default|function hydrate)", "", source, flags=re.MULTILINE)
    tokens = list(tokens_of(source))
    solid = [k for k, (kind, _) in enumerate(tokens) if kind != "blank"]
    texts = [tokens[k][1] for k in solid]
    roles = dict(zip(solid, roles_of([tokens[k] for k in solid], texts), strict=True))
    roles = {k: what for k, what in roles.items() if what}
    counts = Counter(tokens[k][1] for k, what in roles.items() if what != "key")
    free = (name for name in short_names() if name not in counts and name not in KEPT)
    short = {name: next(free) for name, _ in counts.most_common() if len(name) > 1}
    for k, what in roles.items():
        text = tokens[k][1]
        new = short.get(text, text)
        if what == "shorthand":
            new = f"{text}:{new}"
        if what != "key":
            tokens[k] = ("name", new)
    return re.sub(r"(?<![\w$])\(([A-Za-z]+)\)=>", r"\1=>", "".join(close_up(tokens)))


def close_up(tokens):
    """The texts of the tokens without the blanks that nothing hangs on."""
    for (_, before), (kind, text), (_, after) in zip(
        [("", ""), *tokens], tokens, [*tokens[1:], ("", "")], strict=False
    ):
        if kind != "blank":
            yield text
        elif (
            "\n" in text
            and before not in ENDED
            and after not in ("}", ")", "]", ".", "?.", "?", ":")
        ):
            yield "\n"
        elif WORDS.fullmatch(before[-1:] + after[:1]) or (before == after and after in "+-"):
            yield " "


ENDED = (";", "{", ",", "(", "[", "=>", "=", "&", "|", "?", ":", "")
WORDS = re.compile(r"[\w$]{2}")


def roles_of(tokens, texts):
    """For each token: "variable", "shorthand" for a key and a variable, "key", or None."""
    brackets, found, closes = [], [], matching(tokens, texts)
    closing = set(closes.values())
    for n, (kind, text) in enumerate(tokens):
        before, after = texts[n - 1] if n else "", texts[n + 1] if n + 1 < len(texts) else ""
        if n in closing:  # "}${" within a template closes one and opens another
            brackets.pop()
        if n in closes:
            brackets.append("object" if text == "{" and not opens_block(before) else text)
        in_object = bool(brackets) and brackets[-1] == "object"
        method = after == "(" and texts[closes[n + 1] + 1 : closes[n + 1] + 2] == ["{"]
        if kind != "name" or text in KEPT or before in (".", "?."):
            found.append(None)
        elif (method and before != "function") or (in_object and before in "{," and after == ":"):
            found.append("key")
        elif in_object and before in "{," and after in (",", "}", "="):
            found.append("shorthand")
        else:
            found.append("variable")
    return found


def matching(tokens, texts):
    """The position of each opening bracket -> that of its closing one."""
    closes, open_ = {}, []
    for n, (kind, text) in enumerate(tokens):
        if kind == "text":
            if text.startswith("}"):
                closes[open_.pop()] = n
            if text.endswith("${"):
                open_.append(n)
        elif kind == "sign" and text in "([{":
            open_.append(n)
        elif kind == "sign" and text in ")]}":
            closes[open_.pop()] = n
    return closes


def opens_block(before):
    return before in (")", "=>", ";", "{", "}", "else", "try", "finally", "do", "") or (
        re.fullmatch(r"[A-Za-z_$][\w$]*", before) is not None
        and before not in ("return", "const", "let", "of", "in", "default", "case", "typeof")
    )


def short_names():
    for size in (1, 2):
        for letters in itertools.product(string.ascii_letters, repeat=size):
            yield "".join(letters)
