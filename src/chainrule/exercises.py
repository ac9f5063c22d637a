"""The grader: `check(MyReLU)` runs what a learner wrote, and answers in one useful sentence.

What a thing claims to be stands in its name, after "My". Its forward is compared with the package's
own, its backward is held against the numerical gradient, and the doctor says what went wrong. Code of
a learner never raises here: what it raises is told in words.
"""

import inspect
import re
from collections import OrderedDict
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import escape
from itertools import islice, product

import numpy as np

from chainrule import guests, layers, losses, nodes
from chainrule.doctor.checks import quiet
from chainrule.doctor.copies import params_of, private_copy, slots
from chainrule.doctor.findings import apart, finding
from chainrule.doctor.findings import said as raised
from chainrule.gradcheck import diagnose, gradient_check, numerical_gradient
from chainrule.guests import BatchNorm
from chainrule.mistakes import MISTAKES
from chainrule.network import Network

SEED = 7


@dataclass(frozen=True)
class Verdict:
    """The outcome of an exercise.

    ok        whether everything is right
    sentence  what is right, or what is wrong first and what to do about it
    findings  what the doctor found, a list, best first
    """

    ok: bool
    sentence: str
    findings: tuple = ()

    def __repr__(self):
        return self.sentence

    def _repr_html_(self):
        outcome, _, reason = self.sentence.partition(":")
        return (
            f'<p class="chainrule-report" data-ok="{str(self.ok).lower()}">'
            f"<strong>{escape(outcome)}:</strong>{escape(reason)}</p>"
        )


class Wrong(Exception):
    """Ends the grading: its text is what to say, and `findings` what it rests on."""

    def __init__(self, sentence, findings=()):
        super().__init__(sentence)
        self.findings = tuple(findings)


def check(thing) -> Verdict:
    """Grade what a learner wrote, and say so in a sentence.

    thing   a class such as MyReLU, an object of one, or a function such as my_numerical_gradient. The
            part of the name after My says what it should be; where that is no piece of this package,
            it is judged by its methods, and only by whether its backward fits its forward.

    Returns a `Verdict`. Raises ValueError for a thing that nothing is known of, with a list of what can
    be checked.
    """
    name = getattr(thing, "__name__", type(thing).__name__)
    grader = grader_for(thing, name)
    try:
        with quiet():
            said = grader(thing, name)
    except Wrong as wrong:
        return Verdict(False, f"Not yet: {wrong}", wrong.findings)
    except Exception as error:  # nothing that a learner wrote may end in a traceback
        return Verdict(False, f"Not yet: checking {name} ends in {type(error).__name__}: {error}.")
    return Verdict(True, f"Right: {said}")


def grader_for(thing, name):
    """The function that grades a thing of this name; ValueError where there is none."""
    known = known_as(name)
    if known in FUNCTIONS and callable(thing) and not inspect.isclass(thing):
        return FUNCTIONS[known]
    if known in PIECES and not inspect.isroutine(thing):
        return grade_piece
    if (known in NETWORKS and not inspect.isroutine(thing)) or hasattr(thing, "gradient"):
        return grade_network
    if hasattr(thing, "forward") and hasattr(thing, "backward"):
        return grade_unknown
    raise ValueError(
        f"nothing is known of {name!r}. What can be checked: {NAMES}, and anything with forward "
        "and backward, or with loss, gradient and params"
    )


def known_as(name):
    """The known name that stands after My: MyReLU, my_relu and MyReLU2 are all "relu"."""
    plain = re.sub(r"^my|_|\d+$", "", name.lower())
    return plain if plain in {**PIECES, **FUNCTIONS} or plain in NETWORKS else None


# Pieces: layers, nodes and losses. Each is run at a few places, given as (inputs, targets).


def numbers(*shape, low=-2.0):
    """Random numbers between `low` and 2, that stay away from 0, where a gate has its kink."""
    drawn = np.random.default_rng([SEED, *shape]).uniform(low, 2.0, shape)
    return np.where(np.abs(drawn) < 0.05, 0.3, drawn)


def entrywise(low=-2.0):
    return [((numbers(3, 4, low=low),), None), ((numbers(5, low=low),), None)]


def pairs(low=-2.0):
    x, y = numbers(3, 4, low=low), numbers(3, 5, low=low)[:, 1:]
    return [((2.0, 5.0), None), ((x, y.copy()), None)]


def rows(width=4):
    return [
        ((numbers(3, width),), None),
        ((numbers(5, width),), None),
        ((numbers(1, width),), None),
    ]


def labelled():
    a, t = numbers(5, 3), np.eye(3)[[2, 0, 1, 1, 0]]
    return [((a,), t), ((a[:2],), t[:2]), ((a[0],), t[0])]


def indexed():
    a, t = numbers(5, 3), np.array([2, 0, 1, 1, 0])
    return [((a,), t), ((a[:2],), t[:2]), ((a[0],), 2)]


def measured():
    a, t = numbers(5, 3), numbers(5, 4)[:, 1:].copy()
    return [((a,), t), ((a[:2],), t[:2]), ((a[0],), t[0])]


def batches():
    return [((numbers(5, 4),), None), ((3 * numbers(7, 4) + 1,), None)]


def words():
    return [((np.array(x),), None) for x in ([[0, 2, 2], [4, 0, 0]], [1, 3])]


def sequences(width=3):
    return [((numbers(2, 4, width),), None), ((numbers(1, 3, width),), None)]


def images(channels=2):
    """Square and not, and one with ties: a maximum that two share."""
    tied = numbers(1, channels, 4, 5).round()
    shapes = (2, channels, 4, 6), (3, channels, 5, 5)
    return [((x,), None) for x in (*(numbers(*shape) for shape in shapes), tied)]


@dataclass(frozen=True)
class Kind:
    """One kind of piece: the package's own, where to run it, and the arguments that it is made with."""

    own: type
    places: Callable
    arguments: tuple = ()


W, b = numbers(4, 2), np.array([0.5, -0.25])
PIECES = {
    "relu": Kind(layers.ReLU, entrywise),
    "sigmoid": Kind(layers.Sigmoid, entrywise),
    "tanh": Kind(layers.Tanh, entrywise),
    "affine": Kind(layers.Affine, rows, (W, b)),
    "batchnorm": Kind(BatchNorm, batches, (np.array([0.5, 2.0, -1.5, 1.0]), numbers(5, 4)[0])),
    "add": Kind(nodes.Add, pairs),
    "subtract": Kind(nodes.Subtract, pairs),
    "multiply": Kind(nodes.Multiply, pairs),
    "divide": Kind(nodes.Divide, lambda: pairs(0.5)),
    "maximum": Kind(nodes.Maximum, pairs),
    "negate": Kind(nodes.Negate, entrywise),
    "exp": Kind(nodes.Exp, entrywise),
    "log": Kind(nodes.Log, lambda: entrywise(0.5)),
    "matmul": Kind(nodes.MatMul, lambda: [((numbers(3, 4), numbers(4, 2)), None)]),
    "embedding": Kind(guests.Embedding, words, (numbers(5, 3),)),
    "attention": Kind(guests.Attention, sequences, (numbers(3, 2), numbers(3, 2) + 0.1, W[1:])),
    "conv2d": Kind(guests.Conv2D, images, (numbers(3, 2, 2, 3), numbers(3))),
    "maxpool2d": Kind(guests.MaxPool2D, images, (2,)),
    "flatten": Kind(guests.Flatten, images),
    "softmaxwithloss": Kind(losses.SoftmaxWithLoss, labelled),
    "identitywithloss": Kind(losses.IdentityWithLoss, measured),
}


def grade_piece(thing, name):
    kind = PIECES[known_as(name)]
    for method in ("forward", "backward"):
        if not hasattr(thing, method):
            raise Wrong(f"{name} has no `{method}`.")
    if kind.arguments and kind.own is not layers.Affine and not inspect.isclass(thing):
        return grade_unknown(thing, name)  # with what it was made is not known
    mine, own, places = made(thing, name, kind)
    for inputs, t in places:
        arguments = inputs if t is None else (*inputs, t)
        wanted = own.forward(*arguments)
        compare(name, run(f"{name}.forward", mine.forward, *copies(arguments)), wanted, arguments)
        report = examine(name, mine, inputs, t)
        differentiable = [value for value in inputs if np.asarray(value).dtype.kind == "f"]
        learnt = getattr(own, "params", {})
        if len(report.rows) < len(differentiable) + len(learnt):
            known = ", ".join(row.name for row in report.rows)
            wanted = " and ".join(learnt)
            raise Wrong(
                f"backward of {name} gives no gradient for {wanted} that could be found, only for {known}. "
                f"Keep {wanted} in the dict self.params and their gradients in self.grads, or in "
                "attributes such as self.W and self.dW."
            )
    try_other_shapes(name, mine, own)
    last_words(name, mine)
    return f"forward and backward of {name} agree with the numbers, at every place that was tried."


def try_other_shapes(name, mine, own):
    """Images, sequences and single samples: nobody has to take them, but whoever does is to be right."""
    if type(own).__module__ != layers.__name__:
        return
    shapes = [(2, 3, 2, 2), (2, 3, 4)]
    if own.params:
        D = len(own.params["W"])
        shapes = [(D,), (3, 2, D), *((3, n, D // n) for n in (2, 3) if D % n == 0), (3, 1, D, 1)]
    for shape in shapes:
        x, flat = numbers(*shape), bool(own.params) and shape[-1] != len(own.params["W"])
        wanted = own.forward(x.reshape(len(x), -1) if flat else x)
        try:
            got = mine.forward(x.copy())
        except Exception:
            continue
        if np.shape(got) != np.shape(wanted):
            continue
        compare(name, got, wanted, (x,))
        try:
            mine.backward(np.ones_like(wanted))
        except Exception:
            if not flat:
                continue  # one that minds no shapes: it takes rows, and does not say so
        examine(name, mine, (x,))


def made(thing, name, kind):
    """The learner's object, the package's own beside it, and where to run the two."""
    places = kind.places()
    if not inspect.isclass(thing):
        if kind.own is not layers.Affine:
            return private_copy(thing), kind.own(*kind.arguments), places
        matrix, vector = parameters_of(thing, name)
        return private_copy(thing), layers.Affine(matrix, vector), rows(len(matrix))
    mine = run(name, thing, *copies(kind.arguments))
    if kind.own is losses.SoftmaxWithLoss and not takes(mine, *places[0]):
        places = indexed() if takes(mine, *indexed()[0]) else places
    return mine, kind.own(*copies(kind.arguments)), places


def parameters_of(layer, name):
    found = {slot.array.ndim: slot.array for slot in reversed(slots(layer).values())}
    if not {1, 2} <= set(found):
        raise Wrong(
            f"{name} wants a matrix W and a vector b, in its dict `params` or as attributes."
        )
    return found[2], found[1]


def outcome(method, *arguments):
    """What it returns for copies of the arguments, or None where it raises."""
    with suppress(Exception):
        return method(*copies(arguments))


def takes(mine, inputs, t):
    """Whether a loss works with targets of this form."""
    out = outcome(mine.forward, *inputs, t)
    return out is not None and np.size(out) == 1


def copies(values):
    return [value.copy() if isinstance(value, np.ndarray) else value for value in values]


def run(what, function, *arguments):
    """What the learner's function returns; an exception of it ends the grading, in words."""
    try:
        return function(*arguments)
    except Exception as error:
        kinds = shapes_of(arguments) or "nothing"
        raise Wrong(f"{raised(error, f'{what}, given {kinds},')}".rstrip(". ") + ".") from error


@contextmanager
def at_a_guess(arguments):
    """Where the inputs are guessed, the fault may be the guess's."""
    try:
        yield
    except Wrong as wrong:
        raise Wrong(
            f"{wrong} (It was given {shapes_of(arguments)}. Is it made for others? Then give yours to "
            "gradient_check.)",
            wrong.findings,
        ) from wrong


def shapes_of(arguments):
    return " and ".join(shape_of(value) for value in arguments)


def shape_of(value):
    if callable(value):
        return "a function"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"{value!r}" if isinstance(value, (int, float)) else f"a {type(value).__name__}"


def compare(what, got, wanted, arguments, tolerance=1e-9):
    """End the grading where a value is not the wanted one."""
    given = shapes_of(arguments)
    try:
        array = np.asarray(got, dtype=np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"forward of {what} returns {type(got).__name__}, not numbers.") from None
    if array.shape != np.shape(wanted):
        raise Wrong(
            f"forward of {what}, given {given}, returns shape {array.shape}, "
            f"but {np.shape(wanted)} was wanted."
        )
    off = np.abs(array - wanted)
    if np.all(off <= tolerance * (1 + np.abs(wanted))):
        return
    index = np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=np.inf))), off.shape)
    place = f" at {[int(i) for i in index]}" if index else ""
    came, right = apart(float(array[index]), float(np.asarray(wanted)[index]))
    near = "Put forward right first; backward builds on it."
    if np.all(off <= 1e-4 * (1 + np.abs(wanted))):
        near = "They are close: look for a small constant, as in log(y + 1e-7), and leave it out."
    raise Wrong(
        f"forward of {what}, given {given}, gives {came}{place}, but {right} was wanted. {near}"
    )


def examine(name, mine, inputs, t=None):
    """End the grading with what the doctor finds, or with a gradient check that fails; else its report."""
    x = inputs if len(inputs) > 1 else inputs[0]
    refuse(f"backward of {name}", diagnose(mine, x, t))
    return checked(name, mine, x, t)


def refuse(what, found):
    """End the grading with the first finding, and name the places of the others."""
    if found:
        places = dict.fromkeys(one.where for one in found[1:4])
        also = f" Then look at {' and '.join(places)}." if places else ""
        raise Wrong(f"{what}, at {found[0].where}. {said(found[0])}{also}", found)


def checked(name, mine, x, t):
    """The report of a gradient check; one that fails ends the grading."""
    report = gradient_check(mine, x, t)
    if not report.ok:
        wrong = next((f"{row.name}: {row.problem}" for row in report.rows if row.problem), "")
        raise Wrong(f"the gradient check of {name} fails: {wrong or report.verdict}.")
    return report


def said(found):
    """The doctor's finding as a learner wants it: what is wrong, what to do, and the numbers."""
    unclear = found.cause in ("unknown", "wrong-shape", "not-finite")
    words = [MISTAKES[found.cause].cause, found.hint]
    return " ".join([found.evidence, *words[1:]] if unclear else [*words, found.evidence])


def last_words(name, mine):
    """A softmax must bear large scores, and probabilities that are too small for a float."""
    if known_as(name) != "softmaxwithloss":
        return
    if not bears(mine, np.array([[1000.0, 999.0, 998.0], [799.0, 801.0, 800.0]])):
        raise Wrong(
            f"forward of {name} overflows for a score of 1000. Subtract the maximum of each row "
            "before exp: the probabilities stay the same.",
            [finding("not-finite", "forward", "a score of 1000 overflows in exp")],
        )
    if not bears(mine, np.array([[1000.0, 0.0, -1000.0], [0.0, 800.0, 1.0]])):
        raise Wrong(
            f"forward of {name} is not finite where scores lie 1000 apart. A probability is rounded "
            "to 0 there, and log 0 is minus infinity. Compute log y without y: the score, less the "
            "maximum, less the logarithm of the sum of exponentials.",
            [finding("not-finite", "forward", "a probability is rounded to 0, and log takes it")],
        )


def bears(mine, a):
    """Whether a loss is finite at the scores `a` (2, 3), with either form of targets."""
    for t in (np.eye(3)[[0, 1]], np.array([0, 1])):
        if takes(mine, (a,), t) and np.isfinite(mine.forward(a.copy(), t)):
            return True
    return False


# What is judged by its methods alone.


def grade_unknown(thing, name):
    try:
        mine = thing() if inspect.isclass(thing) else private_copy(thing)
    except TypeError as error:
        raise Wrong(f"{name}() raises {error}. Make an object first, and check that.") from error
    for inputs, t in places_for(mine, name):
        arguments = inputs if t is None else (*inputs, t)
        with at_a_guess(arguments):
            run(f"{name}.forward", mine.forward, *copies(arguments))
            report = examine(name, mine, inputs, t)
    unchecked = "".join(f" No gradient of {one} was given or checked." for one in report.unchecked)
    once, again = (mine.forward(*copies(arguments)) for _ in range(2))
    if known_as(name):
        why = f"give `check` the class {name}, and it is compared with the package's own"
    elif np.array_equal(once, again):
        why = "the package has nothing of that name to compare it with"
    else:
        why = "it draws random numbers, and each pass gives others"
    return (
        f"backward of {name} fits its forward.{unchecked} Whether forward computes what was asked for could not "
        f"be checked: {why}."
    )


def places_for(mine, name):
    """Inputs that the forward of an unknown piece takes: a loss, two inputs, or one."""
    names = [
        p.name for p in inspect.signature(mine.forward).parameters.values() if p.default is p.empty
    ]
    held = [*params_of(mine).values(), *(slot.array for slot in slots(mine).values())]
    sizes = sorted({size for one in held for size in np.shape(one)}, reverse=True)
    target = len(names) == 2 and re.match(r"t$|targets?$|labels?$|y_?true|gt$", names[1])
    if len(names) == 2 and (target or any(takes(mine, *p[0]) for p in (indexed(), measured()))):
        choices = (
            [labelled(), indexed(), measured()] if target else [indexed(), labelled(), measured()]
        )
    elif len(names) > 1:
        choices = [pairs()] if len(names) == 2 else []
        for widths in islice(product(sizes or [3], repeat=len(names)), 200):
            apart = [np.roll(numbers(4, width), k, axis=0) for k, width in enumerate(widths)]
            choices.append([(tuple(apart), None)])
    else:
        choices = [entrywise(), *(rows(size) for size in sizes)]
        choices += [sequences(size) for size in sizes or [3]]
        choices += [images(size) for size in sizes or [2]]
        choices.append([((np.array([0, 2, 2, 1]),), None), ((np.array([1, 0]),), None)])

    def fits(inputs, t):
        return outcome(mine.forward, *inputs, *(() if t is None else (t,))) is not None

    taken = [[place for place in places if fits(*place)] for places in choices]
    whole = [some for some, places in zip(taken, choices, strict=True) if len(some) == len(places)]
    return next(iter([*whole, *filter(None, taken)]), choices[0])


# Networks.

NETWORKS = ("network", "net", "twolayernet")


def grade_network(thing, name):
    mine = network_of(thing, name) if inspect.isclass(thing) else private_copy(thing)
    for method in ("loss", "gradient"):
        if not hasattr(mine, method):
            raise Wrong(f"{name} has no `{method}`, and a network wants loss, gradient and params.")
    arrays = params_of(mine) or {key: slot.array for key, slot in slots(mine).items()}
    if not arrays:
        raise Wrong(f"{name} has no `params`, and a network wants loss, gradient and params.")
    places = data_for([p.shape for p in arrays.values() if np.ndim(p) == 2] or [(4, 3)])
    values = [outcome(mine.loss, *place) for place in places]
    fits = [value is not None and np.size(value) == 1 for value in values]
    x, t = places[fits.index(True) if any(fits) else 0]
    with at_a_guess((x, t)):
        run(f"{name}.loss", mine.loss, x.copy(), t.copy())
    given = run(f"{name}.gradient", mine.gradient, x.copy(), t.copy())
    given = given[-1] if isinstance(given, tuple) and len(given) == 2 else given
    if params_of(mine) and (not hasattr(given, "keys") or len(given) != len(arrays)):
        raise Wrong(
            f"gradient of {name} should return a dict with the keys {', '.join(map(str, arrays))}."
        )
    refuse(name, diagnose(mine, x, t))
    left = checked(name, mine, x, t).unchecked
    unchecked = "".join(f" No gradient of {one} was given or checked." for one in left)
    return f"the gradients of {name} agree with the numerical ones, for every parameter.{unchecked}"


def data_for(matrices):
    """Data for a network of weights of these shapes: a sample a row, or a sample a column."""
    places = []
    for D, C in (matrices[0][0], matrices[-1][1]), (matrices[0][1], matrices[-1][0]):
        labels = np.arange(5) % C
        targets = labels, np.eye(C)[labels], numbers(5, C), numbers(5, D)
        turned = np.transpose if places else np.asarray
        places += [(turned(numbers(5, D)), turned(t)) for t in targets]
    return places


def network_of(thing, name):
    """An object of a network's class, made from layers and a loss, or from sizes and an rng."""
    rng = np.random.default_rng(SEED)
    try:
        return thing(two_layers(rng), losses.SoftmaxWithLoss())
    except TypeError:
        return run(name, thing, 4, 6, 3, rng)


def two_layers(rng):
    return OrderedDict(
        Affine1=layers.Affine(numbers(4, 6), numbers(6)),
        ReLU1=layers.ReLU(),
        Affine2=layers.Affine(numbers(6, 3), numbers(3)),
    )


# Functions.


def grade_function(function, name, own, places):
    for arguments in places:
        got = run(name, function, *copies(arguments))
        compare_value(name, got, own(*arguments), arguments)
    return f"{name} gives the right numbers."


def compare_value(name, got, wanted, arguments, tolerance=1e-9):
    try:
        compare(name, got, wanted, arguments, tolerance)
    except Wrong as wrong:
        words = str(wrong).removeprefix("forward of ").split(" Put forward right")[0]
        raise Wrong(words) from None


def grade_numerical_gradient(function, name):
    x = numbers(2, 3)
    for f in (lambda v: float(np.sum(v**2)), lambda v: float(np.sum(np.sin(v) * v[0, 0]))):
        given, wanted = x.copy(), numerical_gradient(f, x)
        got = run(name, function, f, given)
        if not np.array_equal(given, x):
            raise Wrong(f"{name} leaves x changed. Put each entry back after its nudge.")
        if np.shape(got) == wanted.shape and (ratio := constant_ratio(got, wanted)):
            if abs(ratio) < 1e-6:
                advice = "Mind the brackets: / 2 * h multiplies by h, / (2 * h) divides by it."
            else:
                advice = "The difference of f(x + h) and f(x - h) is divided by 2h, the way between them."
            words = f"{name} gives {ratio:.4g} times the right numbers"
            raise Wrong(f"{words}. {advice}", [finding("scaled", name, words, ratio, advice)])
        if np.shape(got) == wanted.shape and np.ptp(got) < 0.01 * np.max(np.abs(got)):
            raise Wrong(
                f"{name} gives nearly the same number everywhere, {np.ravel(got)[0]:.6g} at first. "
                "Mind the brackets: all of (f(x + h) - f(x - h)) is divided by (2 * h)."
            )
        if np.shape(got) == wanted.shape and 1e-7 < np.max(np.abs(got - wanted)) < 1e-3:
            raise Wrong(
                f"{name} is close, but not close enough. Nudge to both sides, "
                "(f(x + h) - f(x - h)) / 2h, with an h near 1e-5."
            )
        if np.shape(got) != wanted.shape:
            raise Wrong(
                f"{name} returns shape {np.shape(got)} for an x of shape {x.shape}. "
                "Nudge one entry at a time: there is one slope for each."
            )
        compare_value(name, got, wanted, (f, x), 1e-6)
    return f"{name} agrees with the derivatives."


def constant_ratio(got, wanted):
    """The c, other than 1, for which every number is c times the wanted one; None without one."""
    got = np.asarray(got, np.float64)
    ratio = float(np.vdot(got, wanted) / np.vdot(wanted, wanted))
    fits = np.linalg.norm(got - ratio * wanted) <= 1e-4 * np.linalg.norm(got)
    return ratio if fits and ratio and abs(ratio - 1) > 1e-3 else None


def grade_gradient(function, name):
    network = Network(two_layers(np.random.default_rng(SEED)), losses.SoftmaxWithLoss())
    x, t = numbers(5, 4), np.array([2, 0, 1, 1, 0])
    wanted = private_copy(network).gradient(x, t)
    got = run(name, function, network.layers, network.loss_layer, x.copy(), t.copy())
    if not hasattr(got, "keys") or set(got.keys()) != set(wanted):
        raise Wrong(f"{name} should return a dict with the keys {', '.join(wanted)}.")
    for key, gradient in reversed(wanted.items()):
        compare_value(f"{name}, for {key},", got[key], gradient, (x, t))
    return f"{name} gives the gradient of every parameter."


def valued(own, *places):
    return lambda function, name: grade_function(function, name, own, places)


x34, a53, t53 = numbers(3, 4), numbers(5, 3), np.eye(3)[[2, 0, 1, 1, 0]]
FUNCTIONS = {
    "numericalgradient": grade_numerical_gradient,
    "gradient": grade_gradient,
    "relu": valued(lambda x: layers.ReLU().forward(x), (x34,), (x34[0],)),
    "sigmoid": valued(lambda x: layers.Sigmoid().forward(x), (x34,), (x34[0],)),
    "tanh": valued(np.tanh, (x34,), (x34[0],)),
    "softmax": valued(losses.softmax, (a53,), (a53[0],), (a53 + 1000.0,)),
    "crossentropy": valued(losses.cross_entropy, (a53, t53), (a53[0], t53[0])),
    "sumsquarederror": valued(losses.sum_squared_error, (a53, t53), (a53[0], t53[0])),
}
NAMES = (
    "MyReLU, MySigmoid, MyTanh, MyAffine, MyBatchNorm, MyAdd, MySubtract, MyMultiply, MyDivide, MyMaximum, "
    "MyNegate, MyExp, MyLog, MyMatMul, MySoftmaxWithLoss, MyIdentityWithLoss, MyNetwork, MyEmbedding, "
    "MyAttention, MyConv2D, MyMaxPool2D, MyFlatten, "
    "my_numerical_gradient, my_gradient, my_relu, my_sigmoid, my_tanh, my_softmax, "
    "my_cross_entropy, my_sum_squared_error"
)
