"""All of the package's speed in one run: `make bench` writes the page of the book that shows it.

python benchmarks/speed.py                  measure, print
python benchmarks/speed.py --write          and write book/reference/speed.md
python benchmarks/speed.py --quick          a minute, for a look while you work
"""

import argparse
from pathlib import Path

import timing  # before NumPy: it fixes the threads

# isort: split
import costs
import scalar_graph
import training_step

PAGE = Path(__file__).parents[1] / "book" / "reference" / "speed.md"


def page(seconds):
    """The page, as Markdown; `seconds` a contender table."""
    timing.one_core()
    return f"""# How fast the package is

These tables are written by `make bench`; nobody typed a number. Measured on: `{timing.machine()}`.
Everything in one table ran side by side, in turns of a few milliseconds, on one core, with NumPy's own
choice of matrix kernels. A figure is the median; in brackets stands the range of the middle nine in ten.

## A training step

One step is forward, backward and update. The **floor** is the time of the matrix products alone, those
that no way of computing the gradient can avoid. All other columns are multiples of it. *NumPy by hand*
checks nothing and overwrites its gradients. `chainrule` is what this book's readers run: `Network.gradient`
and `SGD.update`, with every shape checked, and no array overwritten that was handed out.

{training_step.measure(seconds)}

## The scalar graph

micrograd's own demonstration: a 2-16-16-1 network written in single numbers, a hundred points, one
loss. Python's garbage collector looks through all living objects again and again while a graph grows; so both
engines are shown with it and without it.

{scalar_graph.with_deep_stack(scalar_graph.measure)}

## Numerical gradients, figures and imports

The first table is chapter 0's claim: nudging costs two forward passes a parameter, backpropagation a few
in all.

{costs.measure(min(seconds, 2))}
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about a minute")
    parser.add_argument("--write", action="store_true", help="write the page of the book")
    wanted = parser.parse_args()
    text = page(1 if wanted.quick else 12)
    print(text)
    if wanted.write:
        PAGE.write_text(text, encoding="utf-8")
