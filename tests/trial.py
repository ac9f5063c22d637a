"""How a call with a doubtful input is judged: what may come of it, and what must never.

A call ends in the right answer, or in words of ours. It never ends in an exception from inside NumPy
or Python, in a warning, in a wrong number, or in something half changed.
"""

import ast
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

import chainrule

PACKAGE = Path(chainrule.__file__).parent


@dataclass(frozen=True)
class Right:
    """The call gives this value: numbers, arrays, or dicts and tuples of them; None: whatever it is.

    tolerance  how far off each array may be, times its largest entry
    dtype      the type that the answer must have, if it is one array
    unless     an exception that may come instead, in words of ours
    """

    value: object = None
    tolerance: float = 1e-12
    dtype: object = None
    unless: type | None = None


@dataclass(frozen=True)
class Refused:
    """The call raises one of `kinds`, and its message has a match for each of `words`."""

    words: tuple
    kinds: tuple = (ValueError, TypeError)


@dataclass(frozen=True)
class Case:
    """One call of the table.

    callable   the public name
    given      the input, in words
    make       () -> (function, arguments, owners); the owners are what a refusal must leave as it was
    wanted     Right or Refused
    """

    callable: str
    given: str
    make: Callable
    wanted: object


def judge(case):
    """(what came, what is wrong with it or "")."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function, arguments, owners = case.make()
        given, state = snapshot(arguments), snapshot(owners)
        try:
            answer = function(*arguments)
        except Exception as error:
            came = f"{type(error).__name__}: {error}"
            wrong = refusal_problem(case.wanted, error)
            if not wrong and snapshot(owners) != state:
                wrong = "something is half changed"
        else:
            came, wrong = f"gives {shown(answer)}", answer_problem(case.wanted, answer)
    if not wrong and snapshot(arguments) != given:
        wrong = "an argument was written to"
    return came, wrong


def refusal_problem(wanted, error):
    if isinstance(wanted, Right):
        if wanted.unless is None or not isinstance(error, wanted.unless):
            return f"wanted {shown(wanted.value)}"
        return "" if raised_by_us(error) else "it was not raised by this package"
    if not isinstance(error, wanted.kinds):
        return f"wanted {' or '.join(kind.__name__ for kind in wanted.kinds)}"
    if not raised_by_us(error):
        return "it was not raised by this package, in words of its own"
    missing = [word for word in wanted.words if not re.search(word, str(error), re.DOTALL)]
    return f"the message does not say {', '.join(missing)}" if missing else ""


def answer_problem(wanted, answer):
    if isinstance(wanted, Refused):
        return f"wanted a refusal that says {', '.join(wanted.words)}"
    if wanted.value is not None and not alike(answer, wanted.value, wanted.tolerance):
        return f"wanted {shown(wanted.value)}"
    if wanted.dtype is not None:
        dtype = np.asarray(answer).dtype.newbyteorder("=")
        return "" if dtype == wanted.dtype else f"wanted the type {wanted.dtype}, got {dtype}"
    return ""


def raised_by_us(error):
    """Whether the innermost frame stands in this package, at a statement that raises."""
    frame = error.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    path = Path(frame.tb_frame.f_code.co_filename)
    return PACKAGE in path.parents and frame.tb_lineno in raising_lines(path)


@cache
def raising_lines(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        for line in range(node.lineno, node.end_lineno + 1)
    }


def alike(got, wanted, tolerance):
    if isinstance(wanted, dict):
        return isinstance(got, dict) and got.keys() == wanted.keys() and all(
            alike(got[key], value, tolerance) for key, value in wanted.items()
        )  # fmt: skip
    if isinstance(wanted, tuple | list):
        return len(got) == len(wanted) and all(
            alike(one, two, tolerance) for one, two in zip(got, wanted, strict=True)
        )
    if wanted is None or isinstance(wanted, str):
        return got == wanted
    got, wanted = np.asarray(got), np.asarray(wanted)
    if got.shape != wanted.shape or got.dtype.kind not in "fiub":
        return False
    got, wanted = got.astype(np.float64), wanted.astype(np.float64)
    size = np.max(np.abs(wanted), initial=0.0, where=np.isfinite(wanted))
    return np.allclose(got, wanted, rtol=tolerance, atol=tolerance * size + 1e-300, equal_nan=True)


def snapshot(thing, depth=6):
    """All that can be told of a thing's state, as something that compares."""
    if isinstance(thing, np.ndarray):
        data = repr(thing.tolist()) if thing.dtype.kind == "O" else thing.tobytes()
        return thing.dtype.str, thing.shape, data
    if isinstance(thing, np.random.Generator):
        return repr(thing.bit_generator.state)
    if isinstance(thing, dict):
        return tuple((repr(key), snapshot(value, depth - 1)) for key, value in thing.items())
    if isinstance(thing, list | tuple):
        return tuple(snapshot(value, depth - 1) for value in thing)
    if depth and type(thing).__module__.startswith("chainrule."):
        names = [*getattr(thing, "__slots__", ()), *getattr(thing, "__dict__", {})]
        names = [name for name in names if name != "__weakref__" and hasattr(thing, name)]
        return tuple((name, snapshot(getattr(thing, name), depth - 1)) for name in names)
    return repr(thing)


def shown(value):
    try:
        text = " ".join(repr(value).split())
    except Exception as error:  # what came cannot even be shown
        return f"{type(value).__name__}, whose repr raises {type(error).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
