"""The same again gives the same: what a page shows of a cell, and what a seed makes of a network."""

import hashlib

import numpy as np
import pytest
from nbformat.v4 import new_output

from chainrule.datasets import make_spirals
from chainrule.network import two_layer_net
from chainrule.training import train
from chainrule.widgets.sphinx_extension import joined


def stream(text, name="stdout"):
    return new_output("stream", text=text, name=name)


def test_what_a_cell_prints_is_the_same_in_however_many_pieces_it_comes():
    shown = new_output("display_data", {"text/plain": "a figure"})
    whole = [stream("paths: 3\nvisits: 2\n"), stream("beware\n", "stderr"), shown]
    pieces = [stream("paths:"), stream("bew", "stderr"), stream(" 3\nvisits: "), shown]
    pieces += [stream("2\n"), stream("are\n", "stderr")]
    assert joined(pieces) == joined(whole) == whole


def test_a_figure_before_the_first_line_stays_before_it():
    shown = new_output("display_data", {"text/plain": "a figure"})
    assert joined([shown, stream("a"), stream("b"), shown]) == [shown, stream("ab"), shown]


LOSSES = [1.264544710687544, 1.2652082133091822, 1.0345551864647597]


def trained(seed):
    rng = np.random.default_rng(seed)
    x, t = make_spirals(40, rng=rng)
    network = two_layer_net(2, 8, 3, rng)
    return network, list(train(network, (x, t), rng=rng, batch_size=16, epochs=3, progress=False))


def run(seed):
    digest = hashlib.sha256()
    network, records = trained(seed)
    for record in records:
        digest.update(repr(record).encode())
    for array in network.params.values():
        digest.update(array.tobytes())
    return digest.hexdigest()


def test_the_same_seed_gives_the_same_run_bit_by_bit_and_another_seed_another():
    assert run(1) == run(1) != run(2)


def test_the_same_seed_gives_this_very_run_on_every_python_and_processor():
    """Written down once, on Python 3.11. The last digits are the processor's own."""
    _, records = trained(1)
    losses = [records[k].loss for k in (0, 11, 23)]
    assert losses == pytest.approx(LOSSES, rel=1e-9)
