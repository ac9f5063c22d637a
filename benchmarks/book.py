"""How long the book takes to run and to build, and what `stepper.py` and `pages.py` see in a browser.

python benchmarks/book.py              measure, print
python benchmarks/book.py --write      and add it to the page that speed.py has just written
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import nbformat
from timing import SPACE, table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from normalise import execute

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "book" / "reference" / "speed.md"
os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # for jupyter-book


def chapters():
    """Each chapter once, in a fresh kernel whose start counts; then the whole site, from what is committed."""
    times = {}
    for path in sorted(ROOT.glob("book/*.ipynb")) + sorted(ROOT.glob("book/reference/*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
        begun = perf_counter()
        execute(notebook, path.parent)
        times[title] = perf_counter() - begun
        print(title, times[title], file=sys.stderr, flush=True)
    begun = perf_counter()
    build()
    slowest = max(times, key=times.get)
    rows = [
        [f"run all notebooks, {len(times)} on that day", f"{sum(times.values()):.1f} s"],
        [f"the slowest of them, *{slowest}*", f"{times[slowest]:.1f} s"],
        ["build the whole site", f"{perf_counter() - begun:.1f} s"],
    ]
    return table(["what", "time"], rows)


def build():
    with tempfile.TemporaryDirectory() as folder:
        command = ["jupyter-book", "build", str(ROOT), "--path-output", folder, "--all", "--quiet"]
        subprocess.run(command, check=True, capture_output=True)


def printed(script):
    command = [sys.executable, str(Path(__file__).with_name(script))]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.rstrip()


def in_print(text):
    """Printed figures as a page sets them: −4, 7,285.2, a range with a dash at which no line ends, and seconds beside their number."""
    text = re.sub(r"(?<=\d)-(?=\d)", "\u2060–\u2060", text)
    text = re.sub(r"(?<![\w–])-(?=\d)", "−", text)
    text = re.sub(r"(?<=[\d)]) (?=s$)", SPACE, text)
    return re.sub(r"(?<![\d.,])\d{4,}(?![\d,])", lambda found: f"{int(found[0]):,}", text)


def beside_bars(text):
    """What `stepper.py` printed, as a table: what is above its bar is bold."""
    rows = []
    for what, figure, bar, unit in re.findall(
        r"(?m)^(\S.*?) +(-?[\d.]+)  \(at most (\S+) (\S*)\)$", text
    ):
        measured, most = (in_print(f"{n}{SPACE}{unit}".strip()) for n in (figure, bar))
        missed = float(figure) > float(bar)
        rows.append([what, f"**{measured}**" if missed else measured, most])
    return table(["what", "measured", "at most"], rows)


def beside_defaults(text):
    """What `pages.py` printed, as two tables."""
    found = re.findall(r"(?m)^(\S.*?)  +(\S.*?)  +(\S.*?)  +([\d.]+)$", text)
    found_on_phones = re.findall(
        r"(?m)^book/(\d+)_\S+, first screen of a phone: (.*); bar: (.*)$", text
    )
    phones = [[f"chapter {int(k)}", *rest] for k, *rest in found_on_phones]
    found, phones = ([[in_print(cell) for cell in row] for row in rows] for rows in (found, phones))
    first = table(["chapter 1, median (range)", "this book", "defaults", "ratio"], found)
    return f"{first}\n\n{table(['first screen of a phone', 'measured', 'at most'], phones)}"


def sections():
    return f"""
## The book itself

All chapters run once from top to bottom, in a fresh kernel, and the site built from the committed outputs.

{chapters()}

## In the browser

What a reader's browser has to carry. Of 100 steps or changes, 95 take less than the p95. *At most* is the bar that we set ourselves, and what misses it is bold. No
figure of the book has 200 nodes, and no page 20 steppers: these rows look beyond it. A screen shows a new picture each 16 ms or so, and what takes longer comes one picture late, or two.

{beside_bars(printed("stepper.py"))}

Chapter 1 beside the same page built with Jupyter Book's defaults, on a line of 1.6 Mbit/s with a delay of 150 ms, and a processor made four times slower:

{beside_defaults(printed("pages.py"))}
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="add it to the page of the book")
    wanted = parser.parse_args()
    text = sections()
    print(text)
    if wanted.write:
        with PAGE.open("a", encoding="utf-8") as page:
            page.write(text)
