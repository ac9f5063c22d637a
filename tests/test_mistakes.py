"""The table of mistakes: complete, in words, and the same for the zoo, the doctor and the page."""

import json

import numpy as np
import pytest

from chainrule import mistakes
from chainrule.gradcheck import gradient_check
from chainrule.mistakes import (
    GUESSES,
    MISTAKES,
    TABLE,
    ZOO,
    Scene,
    evaluate,
    explain_guess,
    right_answer,
)
from chainrule.network import two_layer_net

CODES = """
missing-batch-division double-batch-division bias-sum-over-everything bias-mean bias-first-row
mask-missing mask-inverted mask-from-upstream derivative-missing derivative-twice
derivative-of-input softmax-over-batch weight-not-transposed inputs-not-swapped
overwritten-at-fork upstream-ignored wrong-sign scaled stale-cache mutates-dout mutates-input
wrong-shape not-finite unknown
factor-missing weight-decay update-in-backward log-constant samples-as-columns labels-shifted
broadcast-targets repeated-rows always-zero not-repeatable mask-redrawn leaky-slope-lost softmax-diagonal
statistics-constant epsilon-forgotten kernel-not-turned axes-in-wrong-order sum-over-wrong-axis
label-term-missing gradient-missing tie-counted-twice targets-differ another-array whole-numbers
""".split()


def batch(N=3):
    rng = np.random.default_rng(2)
    return rng.normal(size=(5, 4))[:N], np.array([0, 2, 1, 1, 0])[:N]


def specimen(one, seed=1):
    return one.network(4, 5, 3, np.random.default_rng(seed))


def test_the_table_has_every_code_once():
    assert sorted(MISTAKES) == sorted(CODES) and len(TABLE) == len(CODES)


def test_the_page_of_the_package_lists_every_code_with_its_hint():
    for mistake in TABLE:
        assert f"\n{mistake.code}  {mistake.cause} {mistake.hint}\n" in mistakes.__doc__


@pytest.mark.parametrize("mistake", TABLE, ids=lambda one: one.code)
def test_a_mistake_has_a_cause_and_a_hint_in_whole_sentences(mistake):
    for sentence in (mistake.cause, mistake.hint):
        assert sentence[0].isupper() and sentence.endswith(".") and len(sentence) < 120


def test_the_zoo_has_twelve_animals_and_one_of_them_no_wrong_gradient():
    assert len(ZOO) == 12 and len({one.name for one in ZOO}) == 12
    assert [one.name for one in ZOO if one.cause is None] == ["W2 updated too early"]
    assert {one.cause for one in ZOO} - {None} <= set(MISTAKES)


@pytest.mark.parametrize("one", ZOO, ids=lambda one: one.name)
def test_the_gradient_check_sees_every_animal_but_the_early_update(one):
    assert gradient_check(specimen(one), *batch()).ok is (one.cause is None)


BLIND = {"bias-mean", "bias-first-row", "missing-batch-division", "double-batch-division"}


@pytest.mark.parametrize("one", ZOO, ids=lambda one: one.name)
def test_a_single_sample_hides_what_is_wrong_about_the_batch(one):
    hidden = BLIND | {"softmax-over-batch", None}
    assert gradient_check(specimen(one), *batch(1)).ok is (one.cause in hidden)


@pytest.mark.parametrize("one", ZOO, ids=lambda one: one.name)
def test_an_animal_has_the_weights_and_the_loss_of_a_right_network(one):
    right = two_layer_net(4, 5, 3, np.random.default_rng(1), one.activation)
    wrong = specimen(one)
    for key, array in right.params.items():
        np.testing.assert_array_equal(wrong.params[key], array)
    assert wrong.loss(*batch()) == right.loss(*batch())


def test_an_early_update_hands_back_through_the_new_weights():
    early = next(one for one in ZOO if one.cause is None)
    network, right = specimen(early), specimen(early)
    network.layers["Affine2"].lr = 0.5
    grads, wanted = network.gradient(*batch()), right.gradient(*batch())
    np.testing.assert_array_equal(grads["Affine2.W"], wanted["Affine2.W"])
    assert not np.allclose(grads["Affine1.W"], wanted["Affine1.W"])
    right.layers["Affine2"].params["W"] -= 0.5 * wanted["Affine2.W"]  # as if it were made in place
    dout = right.layers["ReLU1"].backward(
        right.layers["Affine2"].backward(right.loss_layer.backward())
    )
    np.testing.assert_allclose(grads["Affine1.W"], batch()[0].T @ dout)


def scene(**changes):
    dout = np.array([[1.0, 2.0], [3.0, 5.0]])
    parts = dict(
        place="b",
        inputs={"x": np.ones((2, 3))},
        params={"b": np.zeros(2)},
        out=np.zeros((2, 2)),
        dout=dout,
        true=dout.sum(axis=0),
        unit=np.full(2, 2.0),
        slopes={"b": np.ones((2, 2))},
    )
    return Scene(**parts | changes)


@pytest.mark.parametrize(
    ("code", "numbers"),
    [
        ("bias-sum-over-everything", 11.0),
        ("bias-mean", [2.0, 3.5]),
        ("bias-first-row", [1.0, 2.0]),
        ("upstream-ignored", [2.0, 2.0]),
        ("missing-batch-division", [8.0, 14.0]),
        ("double-batch-division", [2.0, 3.5]),
        ("wrong-sign", [-4.0, -7.0]),
    ],
)
def test_what_a_mistake_at_a_bias_produces_by_hand(code, numbers):
    made = MISTAKES[code].predictions(scene())
    assert next(iter(made.values())) == pytest.approx(np.array(numbers))


def test_what_a_mistake_at_a_gate_produces_by_hand():
    x, dout = np.array([2.0, -3.0, 4.0, -5.0]), np.array([1.0, 2.0, -3.0, -4.0])
    gate = scene(
        place="x",
        inputs={"x": x},
        params={},
        out=np.maximum(x, 0),
        dout=dout,
        true=dout * (x > 0),
        unit=1.0 * (x > 0),
        slopes={"x": 1.0 * (x > 0)},
        slope_at=lambda x: 1.0 * (x > 0),
        out_at=lambda x: np.maximum(x, 0),
    )
    for code, numbers in {
        "mask-missing": [1, 2, -3, -4],
        "mask-inverted": [0, 2, 0, -4],
        "mask-from-upstream": [1, 2, 0, 0],
    }.items():
        made = MISTAKES[code].predictions(gate)
        assert next(iter(made.values())).tolist() == numbers


def test_a_scene_that_a_mistake_does_not_fit_predicts_nothing():
    assert MISTAKES["softmax-over-batch"].predictions(scene()) == {}
    assert MISTAKES["weight-not-transposed"].predictions(scene()) == {}


def test_guesses_are_plain_data():
    assert json.loads(json.dumps(GUESSES)) == GUESSES
    for rows in GUESSES.values():
        for position, _, sentence in rows:
            assert position in (-1, 0, 1, None) and sentence.endswith(".")


def test_a_formula_is_evaluated_by_its_signs():
    numbers = {"x": 3.0, "y": 2.0, "dout": 5.0}
    assert evaluate(["*", "dout", ["^", "x", ["-", "y", 1]]], numbers) == 15.0
    assert evaluate(["/", ["+", "x", 1], "y"], numbers) == 2.0
    assert evaluate(7, numbers) == 7.0


NUMBERS = {"Log": (2.5,), "Exp": (0.7,), "Negate": (3.0,), "Sum": (3.0,), "Power": (3.0, 4.0)}


@pytest.mark.parametrize("op", [op for op in GUESSES if op])
def test_each_wrong_formula_differs_from_the_right_answer_and_is_explained(op):
    inputs, dout = NUMBERS.get(op, (3.0, 1.7)), 1.9
    values = {"x": inputs[0], "y": inputs[-1], "dout": dout}
    values["z"] = right = forward(op, inputs)
    places = range(1 if op == "Power" else len(inputs))
    for place, formula, _ in [*GUESSES[op], *GUESSES[""]]:
        for position in places if place is None else [place] if place < len(inputs) else []:
            answer = right_answer(op, inputs, right, dout, position)
            values |= {"right": answer, "own": inputs[position]}
            guess = evaluate(formula, values)
            told = explain_guess(op, inputs, right, dout, position, guess)
            assert (told is None) == (guess == pytest.approx(answer, rel=1e-2))


def forward(op, inputs):
    from chainrule import nodes

    if op == "Power":
        return nodes.Power(inputs[1]).forward(inputs[0])
    return getattr(nodes, op)().forward(*inputs)


def test_a_guess_gets_the_sentence_of_its_mistake():
    assert "did not swap" in explain_guess("Multiply", (2.0, 3.0), 6.0, 1.5, 0, 3.0)
    assert "did not swap" in explain_guess("Multiply", (2.0, 3.0), 6.0, 1.5, 0, 3.02)
    assert "upstream" in explain_guess("Multiply", (2.0, 5.0), 10.0, 1.5, 1, 2.0)
    assert "sum" in explain_guess("Multiply", (2.0, 5.0), 10.0, 1.5, -1, 7.0)


@pytest.mark.parametrize(
    "question",
    [
        ("Multiply", (2.0, 3.0), 6.0, 1.5, 0, 4.5),  # right
        ("Multiply", (2.0, 3.0), 6.0, 1.5, 0, 123.0),  # like nothing
        ("Multiply", (3.0, 3.0), 9.0, 1.5, 0, 4.5),  # right, and what a mistake would give too
        ("Convolve", (2.0,), 2.0, 1.0, 0, 1.0),  # an operation of one's own
    ],
)
def test_a_right_guess_or_one_like_nothing_known_gets_no_sentence(question):
    assert explain_guess(*question) is None
