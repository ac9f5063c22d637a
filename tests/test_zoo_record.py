"""The zoo measured on MNIST: the record that chapter 11 shows, and the command that makes it."""

import json
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from chainrule.datasets import load_digits
from chainrule.mistakes import ZOO


@pytest.fixture
def zoo(monkeypatch):
    """benchmarks/zoo.py, on digits and with a small network."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    import zoo

    monkeypatch.setattr(zoo, "SIZES", (64, 5, 10))
    monkeypatch.setattr(zoo, "load", lambda folder: load_digits())
    return zoo


@pytest.fixture(scope="module")
def record():
    return json.loads((files("chainrule") / "data/zoo_mnist.json").read_text(encoding="utf-8"))


def test_the_record_has_every_animal_and_both_right_networks_with_three_seeds(record):
    right = ["right, with ReLU", "right, with sigmoid"]
    assert list(record["rows"]) == right + [animal.name for animal in ZOO]
    assert len(record["seeds"]) >= 3
    for row in record["rows"].values():
        assert {len(values) for values in row.values()} == {len(record["seeds"])}


def test_the_record_says_when_how_and_on_what_it_was_made(record):
    assert record["command"] == "make zoo MNIST=FOLDER"
    assert record["date"] and record["machine"] and "MNIST" in record["data"]
    assert set(record["versions"]) == {"python", "numpy", "chainrule"}
    assert set(record["recipe"]) == {"updates", "batch_size", "lr", "updates_of_twenty"}


def test_one_sample_misses_a_mean_in_place_of_a_sum_and_three_find_it(zoo):
    recipe = {"updates": 5, "batch_size": 10, "lr": 0.1, "updates_of_twenty": 5}
    row = zoo.measure("bias: mean over the batch", 0, load_digits(), recipe)
    assert (row["found_1"], row["found_3"]) == (False, True)
    assert row["check_3"] == pytest.approx(0.5, abs=1e-6)
    assert row["first_loss"] == pytest.approx(np.log(10), abs=0.01)


def test_a_training_that_runs_to_infinity_is_measured_where_it_broke_off(zoo):
    recipe = {"updates": 300, "batch_size": 50, "lr": 1e300, "updates_of_twenty": 300}
    row = zoo.measure("softmax over the whole batch", 0, load_digits(), recipe)
    assert row["loss_of_twenty"] is None and 0 <= row["accuracy"] <= 1


def test_the_command_writes_the_record(zoo, tmp_path, monkeypatch):
    made = tmp_path / "zoo.json"
    options = ["--updates", "3", "--seeds", "2", "--names", "ReLU: mask inverted"]
    monkeypatch.setattr(sys, "argv", ["zoo.py", "folder", *options, "--outcome", str(made)])
    zoo.main()
    record = json.loads(made.read_text(encoding="utf-8"))
    assert record["recipe"]["updates"] == 3 and record["seeds"] == [0, 1]
    assert len(record["rows"]["ReLU: mask inverted"]["accuracy"]) == 2
