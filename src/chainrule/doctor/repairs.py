"""Repairs: the source of the code under test with one thing changed, until a gradient comes out right.

The last resort, for a wrong gradient that no known mistake explains. What leaves the output as it was, and makes the
gradient right here and at other inputs, says where the mistake is, and of what kind. What to write there is left to the
author. Read `changes` next: it makes them.
"""

import ast
import gc
import inspect
import io
import linecache
import os
import re
import sys
import textwrap
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType

import numpy as np

from chainrule.doctor.changes import WAYS, changes, kept_by
from chainrule.doctor.evidence import common_factor, elsewhere
from chainrule.scenes import same

REMARK = re.compile(r"\s+#[^\"']*$")
LIBRARIES = (  # the package's own code, and what lies beside Python's and NumPy's
    str(Path(__file__).parents[1]),
    str(Path(os.__file__).parent),
    str(Path(np.__file__).parents[1]),
    "<frozen",
)
WORK = 300_000  # for all changes together, in lines that are run; the same on every machine


def by_repair(observation, names):
    """name -> (code, words) for those of the wrong gradients that one change of the source makes right."""
    functions, steps = those_that_run(observation)
    kept = kept_by([(made[0], tree, lines) for made, tree, lines in functions])
    arrays = [*observation.truth.arrays.values(), *observation.piece.inputs]
    run, left = 20 + steps + sum(array.size for array in arrays) / 100, WORK
    words = "backward does to dout what forward does to x"
    found = {n: ("kernel-not-turned", words) for n in names if as_forward(observation, n)}
    others = cache(
        lambda: list(elsewhere(observation.piece))
    )  # nudged once, for the first that fits
    for way in WAYS:
        fits = []
        for made, tree, lines in functions:
            function = made[0]
            cost = run + sum(1 for _ in ast.walk(tree)) / 10
            for code, words, line in changes(function, tree, way, kept, lines):
                left -= cost
                if left < 0:
                    return found
                if (changed := compiled(tree, function)) is not None:
                    with put(made, changed):
                        right = made_right(observation, names - set(found))
                    if right:
                        text = linecache.getline(function.__code__.co_filename, line)
                        words += f" in `{REMARK.sub('', text).strip()}` it is right"
                        fits.append((right, code, words, made, changed))
        for right, code, words, made, changed in sorted(fits, key=lambda fit: -len(fit[0])):
            if right - set(found) and everywhere(others(), right, made, changed):
                if "term" in words and all(off_by_own(observation, name) for name in right):
                    code = "weight-decay"
                elif "term" in words and all(ignored(observation, name) for name in right):
                    code = "factor-missing"
                elif code == "another-array" and any(is_multiple(observation, n) for n in right):
                    code = "unknown"
                found |= dict.fromkeys(right, (code, words))
        if names <= set(found):
            return found
    return found


def as_forward(observation, name):
    """Whether a claim is what forward makes of dout, where it is a linear map to the same shape."""
    x, dout = observation.truth.arrays.get(name), observation.douts[0]
    if observation.piece.names != [name] or x.shape != dout.shape:
        return False
    made = [observation.out_at(x + k * dout) - observation.out_at(x) for k in (1, 2)]
    return same(2 * made[0], made[1], 1e-9) and same(made[0], observation.claims[0][name], 1e-7)


def ignored(observation, name):
    """The array on which a right gradient depends and a claim does not: a parameter, or all inputs; or None."""
    piece, dout, claim = observation.piece, observation.douts[0], observation.claims[0][name]
    if piece.pair or not same(piece.claims(2 * dout)[name], 2 * claim, 1e-9):
        return None  # what dout does to it is no missing factor
    params = [other for other in observation.params if observation.ignores(name, other)]
    inputs = [other for other in piece.names if observation.ignores(name, other)]
    return (params + inputs * (inputs == piece.names) + [None])[0]


def is_multiple(observation, name):
    return common_factor(observation.samples(name)) is not None


def off_by_own(observation, name):
    """Whether a claim is off by a multiple of its own array, as by a penalty."""
    sample = observation.samples(name)[0]
    off, own = sample.claim - sample.scene.true, sample.scene.own
    return same(off, np.vdot(off, own) / np.vdot(own, own) * own, 1e-5)


def everywhere(others, names, made, code):
    """Whether the change makes these right at other inputs too."""
    with put(made, code):
        return all(names <= made_right(one, names) for one in others)


def those_that_run(observation):
    """(functions, tree, lines) for each definition of the author's that a run calls, with the lines that ran, in
    a list; those that backward calls come first. And how many lines it ran in all."""
    piece, subject = observation.piece, observation.piece.fresh()
    forward = ran(piece.forward, subject)
    calls = ran(piece.backward, subject, observation.douts[0]) + forward
    inner = {one for code, _ in calls for one in code.co_consts if isinstance(one, CodeType)}
    found = []
    for code in dict.fromkeys(code for code, _ in calls if code not in inner):
        made = [one for one in gc.get_referrers(code) if isinstance(one, FunctionType)]
        lines = {line for other, line in calls if other.co_filename == code.co_filename}
        with suppress(OSError, TypeError, SyntaxError):
            if made and (tree := tree_of(code)) is not None and is_what_runs(tree, made[0]):
                found.append((made, tree, lines))
    return found, len(calls)


def ran(run, *arguments):
    """(code, number of a line) for each line that a call runs, but for those of libraries."""
    lines, before = [], sys.gettrace()

    def note(frame, event, _):
        if frame.f_code.co_filename.startswith(LIBRARIES):
            return None
        lines.append((frame.f_code, frame.f_lineno))
        return note

    sys.settrace(note)
    try:
        run(*arguments)
    finally:
        sys.settrace(before)
    return lines


def tree_of(code):
    """The definition with that code, or None; its lines are counted as in its file."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    kinds = ast.Lambda if code.co_name == "<lambda>" else (ast.FunctionDef,)
    defined = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    if not defined or len(defined) > 1 and kinds is ast.Lambda:
        return None
    if any(isinstance(node, (ast.While, ast.Yield)) for node in ast.walk(defined[0])):
        return None
    ast.increment_lineno(tree, code.co_firstlineno - 1)
    defined[0].decorator_list = []
    return defined[0]


def compiled(tree, function):
    """The code of a changed definition, or None where it cannot take the place of that of a function."""
    free = function.__code__.co_freevars
    body = [ast.Assign([ast.Name(name, ast.Store())], ast.Constant(None)) for name in free]
    if isinstance(tree, ast.Lambda):
        body.append(ast.Expr(tree))
    else:  # what it takes from around it stays so, used or not
        uses = [ast.Expr(ast.Name(name, ast.Load())) for name in free]
        body.append(ast.FunctionDef(tree.name, tree.args, [*uses, *tree.body], [], type_params=[]))
    arguments = ast.arguments([], [], None, [], [], None, [])
    around = ast.Module([ast.FunctionDef("around", arguments, body, [], type_params=[])], [])
    with suppress(SyntaxError, ValueError, TypeError):
        whole = compile(ast.fix_missing_locations(around), function.__code__.co_filename, "exec")
        (outer,) = (one for one in whole.co_consts if isinstance(one, CodeType))
        code = next(one for one in outer.co_consts if isinstance(one, CodeType))
        return code if code.co_freevars == free else None
    return None


def is_what_runs(tree, function):
    """Whether the text that was found is that of the function, and not of a file that has changed since: it has
    the same names, numbers and lines."""
    code, runs = compiled(tree, function), function.__code__
    return code is not None and signature_of(code) == signature_of(runs)


def signature_of(code):
    inner = [signature_of(one) if isinstance(one, CodeType) else one for one in code.co_consts]
    lines = {line for *_, line in code.co_lines() if line is not None}
    return code.co_varnames, code.co_names, inner, sorted(lines - {code.co_firstlineno})


@contextmanager
def put(functions, code):
    """All functions that one definition has made, with another code, wherever they are called from."""
    before = functions[0].__code__
    try:
        for function in functions:
            function.__code__ = code
        yield
    finally:
        for function in functions:
            function.__code__ = before


def made_right(observation, names):
    """Those of the names whose claims are right now; none where the output, or a right claim, has changed."""
    piece, right = observation.piece, set(names)
    with suppress(Exception), redirect_stdout(io.StringIO()):
        if same(piece.forward(piece.fresh()), observation.truth.out, 1e-12):
            for k, dout in enumerate(observation.douts if right else ()):
                claims = piece.claims(dout)
                if any(
                    not same(claims[n], observation.claims[k][n], 1e-9) for n in observation.right
                ):
                    return set()
                right = {
                    n
                    for n in right
                    if claims[n] is not None and holds(observation, n, k, claims[n])
                }
            return right
    return set()


def holds(observation, name, k, claim):
    return replace(observation.samples(name)[k], claim=np.asarray(claim)).right
