"""Backpropagation, step by step: a small NumPy package that a book teaches and runs on.

Read the modules in this order: nodes, graph, layers, losses, numeric, network, gradcheck, training.
The first six stand on one another, and NumPy is all that they need; gradcheck, which judges anyone's
code, also uses doctor. README.md beside this file says more.
"""

__version__ = "0.1.0"

import chainrule.more_nodes  # noqa: E402,F401  gives Variable its .reshape, .T, [...], .mean and .max
