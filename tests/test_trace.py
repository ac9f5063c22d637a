"""A recorded run: what it holds, that it owns it, and that it survives the way through JSON."""

import json

import numpy as np
import pytest

from chainrule.graph import Variable, apply, exp, log, matmul, maximum, sigmoid, sum_
from chainrule.layers import Affine, ReLU
from chainrule.losses import IdentityWithLoss, SoftmaxWithLoss
from chainrule.network import Network, two_layer_net
from chainrule.trace import Trace, trace_graph, trace_network


def bill():
    side, price, delivery = (
        Variable(3.0, "side"),
        Variable(20.0, "price"),
        Variable(15.0, "delivery"),
    )
    area = side**2
    area.name = "area"
    total = area * price + delivery
    total.name = "total"
    return total


def network(N=2):
    net = two_layer_net(2, 3, 2, np.random.default_rng(0))
    return net, np.arange(2.0 * N).reshape(N, 2), np.arange(N) % 2


def test_steps_are_the_forward_visits_the_seed_and_the_backward_visits():
    trace = trace_graph(bill())
    assert [step.phase for step in trace.steps] == ["forward"] * 3 + ["backward"] * 4
    assert [step.seed for step in trace.steps] == [False] * 3 + [True] + [False] * 3


def test_the_values_and_gradients_are_those_of_the_graph():
    total = bill()
    trace = trace_graph(total)
    found = {v.name: (v.value, v.grad) for v in trace.variables}
    assert found["total"] == (195.0, 1.0)
    assert found["side"] == (3.0, 120.0)
    assert found["price"] == (20.0, 9.0)


def test_the_sentence_has_the_numbers_of_the_step():
    trace = trace_graph(bill())
    assert trace.sentence(1) == "Square. 3 × 3 = 9."
    assert trace.sentence(6) == (
        "Multiply swaps. The upstream gradient 1 is multiplied by the other input: "
        "area gets 1 × 20 = 20, price gets 1 × 9 = 9."
    )


def test_a_value_used_twice_tells_how_its_gradients_add():
    x = Variable(3.0, "x")
    trace = trace_graph(x * x)
    assert "x is used more than once, so its gradients add: 3 + 3 = 6." in trace.sentence(
        len(trace)
    )


def test_the_contributions_to_a_variable_add_up_to_its_gradient():
    rng = np.random.default_rng(1)
    x, w = Variable(rng.normal(size=(2, 3)), "x"), Variable(rng.normal(size=(3, 4)), "w")
    y = x @ w
    out = sum_(maximum(y, 0.0) * y + exp(y) / (1.0 + sigmoid(y) ** 2) - y)
    trace = trace_graph(out)
    for i, variable in enumerate(trace.variables):
        received = trace.received(i, len(trace))
        np.testing.assert_allclose(sum(received[1:], received[0]), variable.grad, rtol=1e-14)


def test_the_trace_owns_its_numbers():
    x = Variable(np.ones(3), "x")
    trace = trace_graph(sum_(x * 2.0))
    x.value[:] = 7.0
    x.grad[:] = 7.0
    by_name = {v.name: v for v in trace.variables}
    assert by_name["x"].value.tolist() == [1.0, 1.0, 1.0]
    assert by_name["x"].grad.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("value", [0.1, 1e-300, np.inf, -np.inf, np.nan, np.float32([0.1, np.nan])])
def test_json_both_ways_keeps_every_digit_and_type(value):
    x = Variable(value, "x")
    trace = trace_graph(-x, np.ones_like(x.value) if np.ndim(value) else 1.0)
    again = Trace.from_json(trace.to_json())
    assert again == trace
    (before, after) = (t.variables[0].value for t in (trace, again))
    assert np.array_equal(before, after, equal_nan=True)
    assert getattr(before, "dtype", float) == getattr(after, "dtype", float)


def test_json_is_standard_json():
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    json.loads(trace_graph(-Variable(np.nan)).to_json(), parse_constant=refuse)


@pytest.mark.parametrize("text", ["[]", "3", "{}", '{"variables": [{}], "steps": [], "code": {}}'])
def test_what_is_not_a_trace_is_refused_in_words(text):
    with pytest.raises(ValueError, match="not a trace"):
        Trace.from_json(text)


def test_the_source_is_the_source_that_ran_with_the_return_marked():
    code = trace_graph(bill()).code["Multiply"]["backward"]
    lines = code["lines"]
    assert lines[code["shown"][0]] == "def backward(self, dout):"
    assert [lines[k] for k in code["mark"]] == ["    return dout * self.y, dout * self.x"]


def test_docstrings_are_left_out_of_the_source():
    net, x, t = network()
    code = trace_network(net, x, t).code["Affine"]["forward"]
    lines = [code["lines"][k] for k in code["shown"]]
    assert lines[0].startswith("def forward") and '"""' not in "".join(lines)


def test_names_are_unique_and_results_get_one():
    x, again = Variable(2.0, "x"), Variable(3.0, "x")
    trace = trace_graph(log(x * again * 4.0 + Variable(1.0, "v1")))
    names = [v.name for v in trace.variables]
    assert len(set(names)) == len(names)
    assert set(names) == {"x", "x (2)", "c1", "v1", "v2", "v3", "v4", "v5"}


def test_a_number_in_an_expression_is_a_constant_and_nobody_is_told_its_gradient():
    trace = trace_graph(Variable(5.0, "x") * 2.0)
    assert [v.constant for v in trace.variables] == [False, True, False]
    assert trace.sentence(3).endswith("x gets 1 × 2 = 2.")


def test_a_network_has_a_step_for_each_layer_both_ways():
    net, x, t = network()
    trace = trace_network(net, x, t)
    made = [trace.variables[step.variable].name for step in trace.steps]
    order = ["Affine1", "ReLU1", "Affine2", "loss"]
    assert made == [*order, "loss", *reversed(order)]


def test_a_network_trace_holds_the_gradients_of_the_network():
    net, x, t = network()
    by_name = {v.name: v for v in trace_network(net, x, t).variables}
    for key, gradient in net.gradient(x, t).items():
        np.testing.assert_array_equal(by_name[key].grad, gradient)
    assert by_name["loss"].value == net.loss(x, t)


def test_an_array_output_wants_a_dout():
    with pytest.raises(ValueError, match="dout"):
        trace_graph(matmul(np.ones((2, 3)), Variable(np.ones((3, 2)))))


def test_a_node_of_the_authors_own_is_traced_under_its_name():
    class Cube:
        def forward(self, x):
            self.x = x
            return x**3

        def backward(self, dout):
            return (3 * dout * self.x**2,)

    trace = trace_graph(apply(Cube(), Variable(2.0, "x")))
    assert trace.variables[-1].op == "Cube"
    assert trace.sentence(3) == "Cube. From the upstream gradient 1: x gets 12."
    assert trace.code["Cube"]["backward"]["lines"][-1].strip() == "return (3 * dout * self.x**2,)"


def test_a_step_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="steps run from 0 to 7, got 8"):
        trace_graph(bill()).sentence(8)


def test_infinite_numbers_are_recorded_without_a_warning():
    x = Variable(np.array([2.0, 1.0]), "x")
    out = sum_(exp(x) / exp(x))
    x.value = np.array([800.0, 1.0])  # as a reader may type it into a figure
    trace = trace_graph(out)
    assert trace.variables[-1].value != trace.variables[-1].value  # not a number
    assert Trace.from_json(trace.to_json()) == trace


def test_a_leaf_with_an_empty_name_is_one_without_a_name():
    trace = trace_graph(Variable(2.0, "") * Variable(3.0, ""))
    assert [v.name for v in trace.variables] == ["c1", "c2", "v1"]
    assert Trace.from_json(trace.to_json()) == trace


def test_what_a_layer_hands_on_has_a_letter_and_the_layer_keeps_its_name():
    """One name means one thing: Affine1 is a layer, a₁ what it hands on; where a name is taken, nothing is renamed."""
    x, t = np.array([[1.0, 2.0], [-3.0, 0.5]]), np.array([0, 1])
    trace = trace_network(two_layer_net(2, 3, 2, np.random.default_rng(0)), x, t)
    shown = {v.name: v.shown for v in trace.variables if v.op}
    assert shown == {"Affine1": "a₁", "ReLU1": "h", "Affine2": "a₂", "loss": "loss"}
    assert {v.name: v.shown for v in trace.nodes.variables if v.name in shown} == shown
    assert "a₁" in trace.sentence(1) and "∂loss/∂a₂" in trace.sentence(7)
    assert Trace.from_json(trace.to_json()) == trace
    one = Network({"a": Affine(np.ones((2, 2)))}, IdentityWithLoss())
    assert [v.shown for v in trace_network(one, x, x).variables if v.op] == ["y", "loss"]
    named = Network({"h": Affine(np.ones((2, 2))), "last": ReLU()}, SoftmaxWithLoss())
    assert [v.shown for v in trace_network(named, x, t).variables if v.op] == ["a", "last", "loss"]
