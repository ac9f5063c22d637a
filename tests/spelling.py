"""Spell-check the prose: `python tests/spelling.py`. It prints each unknown word with its place, and fails.

Prose is Markdown, and in Python (cells included) every comment and every text of three words or more. A
word is known when it is in pyspellchecker's dictionary or in words.txt (names, terms, British spelling),
and a name of our code is known too. The dictionary is American, so American spellings are refused by rule:
the book writes *colour*, and *-ise*.
"""

import ast
import io
import json
import re
import sys
import tokenize
from pathlib import Path

from spellchecker import SpellChecker

ROOT = Path(__file__).parents[1]
PLACES = ["*.md", "book/**/*.md", "book/**/*.ipynb", "src/**/*.py"]
WORD = re.compile(r"(?<![\w.\\/#@-])[A-Za-z]+(?:['’][a-z]+)?(?![\w/=]|\.\w)")
NO_PROSE = [
    r"(?sm)^---$.*?^---$",  # the head of a page
    r"(?s)(`{3,})(?!\{(?:dropdown|glossary)).*?\1",
    r"(?s)\$\$.*?\$\$|\$[^$\n]+(?:\n[^$\n]+)?\$",
    r"(?s)(?<!`)(`{1,2})(?!`).+?(?<!`)\1(?!`)",
    r"\]\([^)]*\)|https?://\S+|\{[\w:-]*\}|<[^>\n]*>|\\\w+",
    r"«[^»]*»",
]
AMERICAN = re.compile(
    r"\w*(?:(?:col|behavi|neighb|fav|hon)or|analyz|modeling|labeled|canceled)\w*"
    r"|(?:center|(?:kilo)?meter|liter)(?:s|ed)?|(?!re?siz|siz|seiz|priz|capsiz)\w+iz(?:e[ds]?|ing|ations?)"
)


def blank(match):
    """As many lines as there were, so that what follows keeps its place."""
    return " " + "\n" * match[0].count("\n")


def only_prose(text):
    for pattern in NO_PROSE:
        text = re.sub(pattern, blank, text)
    return text


def texts_of_python(source):
    """(line, text) for each comment, and for each string of three words or more that is no code."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and "noqa" not in token.string:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = re.findall(r"(?:^|(?<= ))[A-Za-z]+(?= |[.,:;?!]|$)", node.value)
            if len(words) >= 3 and not re.search(r"</|\{\n", node.value):
                yield node.lineno, node.value


def texts(path):
    """(place, first line, text) for every piece of prose in a file."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        for number, cell in enumerate(json.loads(source)["cells"]):
            for line, text in pieces("".join(cell["source"]), cell["cell_type"] == "code"):
                yield f" cell {number},", line, text
    else:
        yield from (("", *piece) for piece in pieces(source, path.suffix == ".py"))


def pieces(source, is_code):
    return texts_of_python(source) if is_code else [(1, source)]


def names_in_code():
    """Every name that our modules define or use: prose may speak of `dout` without marks."""
    for path in (ROOT / "src").rglob("*.py"):
        yield from re.findall(r"[A-Za-z]+", " ".join(names_of(path)))


def names_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        yield from (getattr(node, field, None) or "" for field in ("id", "attr", "arg"))


def unknown(text, known):
    """(line, word) for each word that is spelt wrong, or in American. NumPy, dW and MyReLU are names."""
    text = only_prose(text)
    for match in WORD.finditer(text):
        plain = match[0].lower().replace("’", "'").removesuffix("'s")
        is_name = len(plain) == 1 or re.search(r"[a-z][A-Z]", match[0])
        if AMERICAN.fullmatch(plain) or not (plain in known or is_name):
            yield text.count("\n", 0, match.start()), match[0]


def known_words():
    own = (ROOT / "tests" / "words.txt").read_text(encoding="utf-8").split()
    return {*SpellChecker().word_frequency.words(), *own, *map(str.lower, names_in_code())}


def main():
    known = known_words()
    found = [
        f"{path.relative_to(ROOT)},{place} line {first + line}: {word}"
        for pattern in PLACES
        for path in sorted(ROOT.glob(pattern))
        for place, first, text in texts(path)
        for line, word in unknown(text, known)
    ]
    print("\n".join(found) or "The spelling is right.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
