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


def page(steps, seconds):
    """The page, as Markdown: `steps` is the first table, `seconds` what each further one may take."""
    return f"""# How fast the package is

These tables are written by `make bench`; nobody typed a number. Measured on: `{timing.machine()}`.
Everything in one table ran side by side, in turns of a few milliseconds, on one core, with NumPy's own
choice of matrix kernels. A figure is the median; below it is the range of the middle nine in ten.

{headline(steps)}

## A training step

One step is forward, backward and update. The **floor** is the time of the matrix products alone, those
that no way of computing the gradient can avoid. All other rows are multiples of it, so 1 would be perfect.

{turned(steps)}

*NumPy by hand* checks nothing and overwrites its gradients. *Plain NumPy* is a class for each layer, as books write it.
*chainrule* is what this book's readers run, with every shape checked, and no array overwritten that was handed out.
What lies between the first of these rows and the third is the price of code that can be read and trusted. The appendix
[Making it fast](../appendix_making_it_fast.ipynb) shows both, and what each of them gives up.

## A convolution step

Digits of 8 by 8, a hundred at a time: kernels of 3 by 3 with a ReLU behind each layer of them, pooling, and ten scores. The last column is
our time in multiples of PyTorch's, in the same run and on the same core.

{convolution_step.measure(min(seconds, 4))}

## The scalar graph

micrograd's own demonstration: a 2-16-16-1 network written in single numbers, a hundred points, one
loss. Python's garbage collector looks through all living objects again and again while a graph grows; so each
engine is shown with it and without it. The tape is the one that
[the appendix](../appendix_making_it_fast.ipynb) shows: it makes no objects for the collector to look at. In the second table the
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
    column = [head.strip() for head in rows[0]].index("chainrule")
    times = sorted(float(re.search(r"[\d.]+", row[column])[0]) for row in rows[2:])
    return (
        f"**In short:** a training step takes between {times[0]:.1f} and {times[-2]:.1f} times as long as the matrix products "
        f"that it cannot avoid, and {times[-1]:.0f} times as long for a net so tiny that Python's calls are nearly all of it."
    )


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
