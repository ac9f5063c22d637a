"""The figures from the side of Python, where a notebook's kernel holds them: traits, and what follows from them."""

import json

import numpy as np
import pytest
import traitlets

from chainrule.graph import Variable, log
from chainrule.network import two_layer_net
from chainrule.trace import Trace, trace_graph, trace_network
from chainrule.widgets import BetGrid, Explorer, Quiz, Replay, Scene, Stepper
from chainrule.widgets.policy import allowed, header

X, T = np.array([[1.0, 2.0], [-3.0, 0.5]]), np.array([0, 1])


def difference():
    x, y = Variable(5.0, "x"), Variable(3.0, "y")
    out = log(x - y)
    out.name = "out"
    return out


def net():
    return two_layer_net(2, 3, 2, np.random.default_rng(0))


def values(trace):
    return {v.name: v.value for v in trace.variables}


def test_an_assigned_input_is_computed_anew_and_the_readers_graph_is_left():
    out = difference()
    stepper = Stepper(out)
    stepper.inputs = {"x": 4.0}
    assert values(stepper.trace)["out"] == 0.0
    assert json.loads(stepper.numbers)["values"][-1] == 0.0
    assert out.value == pytest.approx(np.log(2))
    assert stepper.problem == ""


def test_what_arrives_at_an_array_is_given_and_stays_when_an_input_changes():
    x = Variable(np.array([1.0, 2.0]), "x")
    stepper = Stepper(x * x, dout=[10.0, 1.0])
    assert stepper.trace.variables[0].grad.tolist() == [20.0, 4.0]
    stepper.inputs = {"x": [3.0, 5.0]}
    assert stepper.trace.variables[0].grad.tolist() == [60.0, 10.0]
    with pytest.raises(ValueError, match=r"\(2,\)"):
        Stepper(x * x, dout=[1.0, 2.0, 3.0])


def test_an_input_that_makes_no_sense_is_told_and_the_old_run_stays():
    stepper = Stepper(difference())
    before = stepper.trace
    stepper.inputs = {"x": 1.0}
    assert "Log wants positive numbers" in stepper.problem and stepper.trace is before
    stepper.inputs = {"x": [1.0, 2.0]}
    assert "x has shape ()" in stepper.problem and stepper.trace is before
    stepper.inputs = {"x": 7.0}
    assert stepper.problem == "" and values(stepper.trace)["out"] == pytest.approx(np.log(4))


@pytest.mark.parametrize(
    ("trait", "value"), [("inputs", {"z": 1.0}), ("step", 99), ("step", -1), ("level", "x")]
)
def test_a_trait_refuses_what_is_not_there(trait, value):
    stepper = Stepper(difference())
    with pytest.raises(traitlets.TraitError, match=trait):
        setattr(stepper, trait, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", [[0.0, 1.0], [2.0, -1.0]]), ("Affine1.b", [0.3, -0.2, 0.1]), ("t", [1, 1])],
)
def test_a_changed_network_reads_its_layers_off_its_nodes(name, value):
    network, x, t = net(), X.copy(), T.copy()
    stepper = Stepper(network, x, t)
    stepper.inputs = {name: value}
    assert stepper.problem == ""
    {"x": x, "t": t, **network.params}[name][...] = value
    wanted = trace_network(network, x, t)
    for ours, fresh in zip(stepper.trace.variables, wanted.variables, strict=True):
        np.testing.assert_allclose(ours.value, fresh.value, rtol=1e-12, atol=1e-14)
        if fresh.grad is not None:
            np.testing.assert_allclose(ours.grad, fresh.grad, rtol=1e-10, atol=1e-14)
        if fresh.kept is not None:
            np.testing.assert_allclose(ours.kept[1], fresh.kept[1], rtol=1e-12)
    assert stepper.trace.steps[-1].contributions[0].shape == x.shape


def test_a_label_that_is_no_class_is_told():
    stepper = Stepper(net(), X, T)
    for wrong in ([0, 2], [0, -1], [0.5, 0]):
        stepper.inputs = {"t": wrong}
        assert "labels are whole numbers from 0 to 1" in stepper.problem


def test_a_recorded_trace_leaves_the_computing_to_the_page():
    stepper = Stepper(Trace.from_json(trace_graph(difference()).to_json()))
    stepper.inputs = {"x": 4.0}
    assert stepper.numbers == "" and stepper.problem == ""


def test_a_network_with_a_layer_of_ones_own_is_stepped_by_layers_and_not_edited():
    class Half:
        def forward(self, x):
            return x / 2

        def backward(self, dout):
            return dout / 2

    network = net()
    network.layers["ReLU1"] = Half()
    stepper = Stepper(network, X, T)
    assert stepper.trace.nodes is None and stepper.open_names == []
    with pytest.raises(ValueError, match='no level "nodes": .* has no expand'):
        Stepper(network, X, T, level="nodes")


def test_a_trace_is_what_its_json_says_and_nothing_else():
    trace = trace_network(net(), X, T)
    assert Trace.from_json(trace.to_json()) == trace
    assert trace != trace_network(net(), X + 1, T)
    assert trace != 3


# ---------------------------------------------------------------- the policy of a built site


def test_the_policy_holds_the_hash_of_every_script_in_a_page_and_of_nothing_else():
    said = header(
        [
            "<script>one()</script><script src='x.js'>none()</script>",
            '<script type="application/json">{"a": 1}</script><p onclick="two()">none()</p>',
        ]
    )
    hashes = {word for word in said.split() if word.startswith("'sha256-")}
    assert {word.rstrip(";") for word in hashes} == {allowed("one()"), allowed("two()")}
    # of the empty text, as RFC 6234 has it
    assert allowed("") == "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"


# ---------------------------------------------------------------- nonsense in a trait

FRAME = {"step": 1, "loss": 2.0, "accuracy": 0.5, "gradient_norms": {"W": 1.0}}
FIGURES = {
    "a graph": lambda: Stepper(difference(), step=2),
    "a network": lambda: Stepper(net(), X, T, step=3),
    "a trace": lambda: Stepper(trace_graph(difference()), step=1),
    "an explorer": lambda: Explorer(
        {(k,): {"a": ([0, 1], [2, k])} for k in "12"}, {"run": ["1", "2"]}, index=1
    ),
    "a replay": lambda: Replay([FRAME, FRAME | {"step": 2}], frame=1),
    "a scene": lambda: Scene(lambda pen, run: run, {"run": ["1", "2"]}, title="t"),
    "bets": lambda: BetGrid("q", {"a": {"b": True}}),
    "a quiz": lambda: Quiz("q", {"a": "b", "c": "d"}, "a"),
}
NONSENSE = [99, -1, None, True, 0.5, "nonsense", [1], (), {"nobody": 1.0}, {3: 1}, 10**400]
NONSENSE += [{"x": value} for value in ("text", None, {}, {1}, 1j, [[1], [1, 2]], 10**400, net)]
NONSENSE += [{"run": value} for value in (1, None, [], "3")] + [np.ones(2), object()]
SETTINGS = {"step", "level", "inputs", "index", "chosen", "frame", "choice", "revealed", "bets"}


@pytest.mark.parametrize("figure", FIGURES)
def test_nonsense_in_a_trait_is_refused_and_leaves_the_figure_as_it_was(figure):
    made = FIGURES[figure]()
    settings = SETTINGS & made.traits(sync=True).keys()
    assert settings
    before = made.markup(), {name: getattr(made, name) for name in settings}
    for name in settings:
        for value in NONSENSE:
            if (name == "revealed" and value is True) or (
                name == "bets" and isinstance(value, tuple)
            ):
                continue
            with pytest.raises(traitlets.TraitError):
                setattr(made, name, value)
            assert getattr(made, "problem", "") == ""
    assert (made.markup(), {name: getattr(made, name) for name in settings}) == before


def test_a_title_or_caption_that_is_no_text_is_shown_as_one():
    for made in (
        Stepper(difference(), title=3, caption=4),
        Explorer({"a": ([0, 1], [2, 3])}, title=3, caption=4),
        Replay([FRAME, FRAME | {"step": 2}], title=3, caption=4),
    ):
        assert 'aria-label="3"' in made.markup() and ">4</p>" in made.markup()
