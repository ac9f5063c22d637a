"""The script of a page with short names, for weight: less than a fifth of it is left out by that.

Every variable gets a short name: one of the module the same everywhere, one of a function or method
the same in all of it, so that nothing has to be known of scopes.
Properties, keys and globals stay; a shorthand {name} becomes {name:short}. Line ends go: every
statement of ours ends in a semicolon or a brace.
"""

import itertools
import re
import string
from collections import Counter, defaultdict

REGEX = r"/(?![/*\s])(?:\\.|\[(?:\\.|[^\]\n])*\]|[^/\\\n\[])+/[a-z]*"
TOKEN = re.compile(
    rf"(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')|(?P<regex>(?:(?<=[=(,:!&|?])|(?<=[=(,:!&|?] )|(?<=return )){REGEX})"
    r"|(?P<name>[A-Za-z_$][\w$]*)|(?P<number>\d[\w.]*)|(?P<blank>\s+)|(?P<sign>=>|\.\.\.|\?\.|.)"
)
TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(`|\$\{)", re.DOTALL)
KEPT = set(
    # the language
    "as async await break case catch class const constructor continue default delete do else export extends "
    "finally for from function get if import in instanceof let new null of return set static super switch "
    "this throw true false try typeof undefined var void while yield arguments "
    # what a browser has
    "Array BigInt Blob Boolean Date CSS DOMPoint Error Infinity IntersectionObserver JSON KeyboardEvent PointerEvent CustomEvent Event RegExp Symbol Map Math MutationObserver NaN "
    "Number Object Promise ResizeObserver Set String URL WeakMap WeakSet addEventListener "
    "cancelAnimationFrame clearInterval clearTimeout console document getComputedStyle globalThis "
    "innerHeight innerWidth isFinite isNaN localStorage location matchMedia navigator parseFloat parseInt "
    "performance removeEventListener requestAnimationFrame scrollBy setInterval setTimeout structuredClone window "
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
    roles = roles_of([tokens[k] for k in solid], texts)
    units = units_of([tokens[k] for k in solid], texts)
    named = [n for n, what in enumerate(roles) if what in ("variable", "shorthand")]
    counts = Counter(texts[n] for n in named)
    outer = {texts[n] for n in named if units[n] is None}
    letters = [*string.ascii_lowercase, *string.ascii_uppercase]
    free = (name for name in short_names() if name not in KEPT and name not in letters)
    shared = {name: next(free) for name, _ in counts.most_common() if name in outer}
    # what is called alike in many functions is alike there, too: so the whole packs better
    usual = dict(zip((name for name, _ in counts.most_common() if name not in outer), letters))
    inner, spare = defaultdict(dict), []
    for n in named:
        if texts[n] in usual:
            inner[units[n]][texts[n]] = usual[texts[n]]
    for n in named:
        text = texts[n]
        short = shared if text in shared else inner[units[n]]
        if text not in short:
            left = [one for one in [*letters, *spare] if one not in short.values()]
            if not left:
                left = [next(free)]
                spare += left
            short[text] = left[0]
        new = short[text]
        tokens[solid[n]] = ("name", f"{text}:{new}" if roles[n] == "shorthand" else new)
    return re.sub(r"(?<![\w$])\(([A-Za-z]+)\)=>", r"\1=>", "".join(close_up(tokens)))


def units_of(tokens, texts):
    """For each token: the number of the function or method in whose brackets it is, else None.

    A name that stands nowhere but in brackets is its unit's own: the next unit may use its short name.
    """
    closes, found, unit, depth, most = matching(tokens, texts), [], 0, 0, 0
    closing = set(closes.values())
    for n, text in enumerate(texts):
        depth -= n in closing
        if depth == 0:
            most = int(text == "class" or (most and text != "}"))  # its methods are units
            if n in closes and texts[n - 1] in ("const", "let"):
                raise ValueError("a name of the module is declared on its own, outside of brackets")
        if depth <= most and text in (";", "}"):
            unit += 1
        found.append(unit if depth else None)
        depth += n in closes
    return found


def close_up(tokens):
    """The texts of the tokens without the blanks and signs that nothing hangs on."""
    tokens = [(kind, SHORTER.get(text, text)) for kind, text in tokens if kind != "blank"]
    solid = [("", ""), *declared_at_once(tokens)]
    for (_, before), (_, text), (_, after) in zip(
        solid, solid[1:], [*solid[2:], ("", "")], strict=False
    ):
        if WORDS.fullmatch(before[-1:] + text[:1]) or (before == text and text in "+-"):
            yield " "
        if not ((text == ";" and after == "}") or (text == "," and after in (")", "]", "}"))):
            yield re.sub(r"^0(?=\.\d)", "", text)


def declared_at_once(tokens):
    """The same, with `let a = 1; let b = 2;` as `let a = 1, b = 2;`."""
    declares = [False]  # in each bracket that is open, whether the statement there began with `let`
    for n, (kind, text) in enumerate(tokens):
        if kind == "sign":
            if text in "([{":
                declares.append(False)
            elif text in ")]}":
                declares.pop()
        if text == "let":
            if declares[-1]:
                continue  # a comma has been given in its place
            declares[-1] = True
        elif text == ";" and declares[-1]:
            declares[-1] = tokens[n + 1 : n + 2] == [("name", "let")]
            text = "," if declares[-1] else text
        yield kind, text


WORDS = re.compile(r"[\w$]{2}")
SHORTER = {
    "true": "!0",
    "false": "!1",
    "const": "let",
}  # a constant that is never set anew is a variable


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
