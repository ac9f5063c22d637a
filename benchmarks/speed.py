"""All of the package's speed in one run: `make bench` writes the page of the book that shows it.

python benchmarks/speed.py                  measure, print
python benchmarks/speed.py --write          and write book/reference/speed.md, README.md's table and the times of step_parts
python benchmarks/speed.py --quick          a minute, for a look while you work
"""

import argparse
import re
from pathlib import Path

import timing  # before NumPy: it fixes the threads

# isort: split
import convolution_step
import costs
import scalar_graph
import step_parts
import training_step

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "book" / "reference" / "speed.md", ROOT / "README.md"
MARKS = "<!-- written by make bench -->\n", "<!-- until here -->"


HEAD = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""
PICTURE = """\
```{code-cell} ipython3
:tags: [remove-input]

import re
from math import log10
from pathlib import Path

from chainrule.widgets import Scene

parts = Path("speed.md").read_text(encoding="utf-8").split("\\n\\n")
table = next(part for part in parts if part.startswith("| net")).splitlines()
head, _, floor, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table)
NETS = [re.sub(r"<br>[^,]*,\\s*", ", ", name) for name in head[1:]]
TIMES = {name: [float(re.search(r"[0-9.]+", cell)[0]) for cell in cells] for name, *cells in rows}


def place(time):
    return 4.5 + 7.8 * log10(max(time, 1)) / log10(300)


def beside(pen, net):
    k = NETS.index(net)
    for time in (1, 10, 100):
        pen.line([place(time)] * 2, [0.9, 7.6], look="faint", width=1)
        pen.text(place(time), 0.4, f"{time}×", look="quiet", size=12)
    for row, (name, times) in enumerate(TIMES.items()):
        y, look = 7.1 - 6 * row / (len(TIMES) - 1), "value" if name == "chainrule" else "quiet"
        pen.text(4.3, y, name, at="right", look="ink")
        pen.box(place(1), y - 0.3, place(times[k]), y + 0.3, look=look, opacity=0.45)
        pen.text(place(times[k]) + 0.15, y, f"{times[k]:.2f}", at="left", look="ink")
    return f"The products alone take {floor[k + 1]}, which is 1×. A step of `chainrule` takes {TIMES['chainrule'][k]:.2f} times as long."


Scene(
    beside,
    {"net": NETS},
    title="A training step, in multiples of the matrix products that it cannot avoid",
    x=(0, 14),
    y=(0, 7.8),
    height=300,
    caption="From the first table below. 784-50-10: 784 inputs, 50 units in a hidden layer, 10 scores. Logarithmic axis.",
)
```
"""


def page(steps, seconds):
    """The page, as Markdown: `steps` is the first table, `seconds` what each further one may take."""
    return f"""{HEAD}# How fast the package is

{headline(steps)}

{PICTURE}
*NumPy by hand* checks nothing and overwrites its gradients. *Plain NumPy* is a class for each layer, as books write it.
*chainrule* is what this book's readers run, with every shape checked, and no array overwritten that was handed out.
The time that it takes beyond the first row is the price of code that can be read and trusted. The appendix
[Making it fast](../appendix_making_it_fast.ipynb) shows both, and what each of them gives up.

These tables are written by `make bench`; nobody typed a number. Measured on: {timing.machine()}.
Everything in one table ran side by side, in turns of a few milliseconds, on one core, with NumPy's own
choice of matrix kernels. A figure is the median; below it is the range of the middle nine in ten.

## A training step

One step is forward, backward and update. The [**floor**](../glossary.md#floor) is the time of the matrix products alone, those
that no way of computing the gradient can avoid. All other rows are multiples of it, so 1 would be perfect.

{turned(steps)}

## A convolution step

Digits of 8 by 8, a hundred at a time: kernels of 3 by 3 with a ReLU behind each layer of them, pooling, and ten scores. The last column is
our time in multiples of PyTorch's, in the same run and on the same core.

{convolution_step.measure(min(seconds, 4))}

## The scalar graph

The demonstration of micrograd, a small library for teaching: a 2-16-16-1 network written in single numbers, a hundred points, one
loss. Python's [garbage collector](../glossary.md#garbage-collector) looks through all living objects again and again while a graph grows; so each
engine is shown with it and without it. The tape is
a list of plain numbers (`benchmarks/number_tape.py`): it makes no objects for the collector to look at. In the second table the
collector is on, and the graphs grow.

{scalar_graph.with_deep_stack(scalar_graph.measure)}

## Numerical gradients, figures and imports

The first table is chapter 0's claim: nudging costs two forward passes per parameter, backpropagation a few
in all. In the second, a network's trace records two runs, one step by step through the layers and one through the nodes; it is made once,
with the figure.

{costs.measure(min(seconds, 2))}
"""


def headline(steps):
    """The outcome in a sentence, from the table of training steps."""
    rows = [line.split("|")[1:-1] for line in steps.splitlines() if line.startswith("|")]
    columns = {head.strip(): k for k, head in enumerate(rows[0])}

    def times(library):
        found = (re.search(r"[\d.]+", row[columns[library]]) for row in rows[2:])
        return sorted(float(one[0]) for one in found)

    ours = times("chainrule")
    said = (
        f"**In short:** a training step takes between {ours[0]:.1f} and {ours[-2]:.1f} times as long as the matrix products "
        f"that it cannot avoid, and {ours[-1]:.0f} times as long for a net so tiny that Python's calls are nearly all of it."
    )
    if "PyTorch" in columns:
        other = times("PyTorch")
        said += f" On the same core PyTorch takes between {other[0]:.1f} and {other[-2]:.1f} times as long, and {other[-1]:.0f} times for the tiny net."
    return said


def turned(steps):
    """The table of training steps with a row for each library: eight columns do not fit a page."""
    head, _, *rows = (line.split("|")[1:-1] for line in steps.splitlines() if line.startswith("|"))
    cells = [
        [cell.strip().replace(", ", f",{timing.SPACE}") for cell in row] for row in (head, *rows)
    ]
    columns = zip(*cells, strict=True)
    return timing.table(next(columns), columns)


def into_readme(steps):
    before, _, rest = README.read_text(encoding="utf-8").partition(MARKS[0])
    _, mark, after = rest.partition(MARKS[1])
    text = f"`{timing.machine()}`\n\n{steps}\n\n"
    README.write_text(before + MARKS[0] + text + mark + after, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about a minute")
    parser.add_argument("--write", action="store_true", help="write the page of the book")
    wanted = parser.parse_args()
    seconds = 1 if wanted.quick else 12
    timing.one_core()
    steps = training_step.measure(seconds)
    text = page(steps, seconds)
    print(text)
    if wanted.write:
        PAGE.write_text(text, encoding="utf-8")
        into_readme(steps)
        step_parts.write(seconds=4)
