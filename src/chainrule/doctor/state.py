"""State: what a piece writes to, and what it keeps for too long.

Numbers of one run cannot show that. So the piece is run twice, at two inputs, in every order that may
matter, and what it was given is looked at afterwards.
"""

import copy

import numpy as np

from chainrule.doctor.copies import shares_state, slots
from chainrule.doctor.evidence import elsewhere
from chainrule.doctor.findings import finding, raised
from chainrule.doctor.judge import judge
from chainrule.doctor.pieces import OfGraph, one_sample_more, variants
from chainrule.doctor.probe import Truth
from chainrule.scenes import same


def written_to(piece, dout):
    """Findings for arrays of the caller, and parameters, that hold other numbers after a run."""
    subject, arguments = piece.fresh(), piece.arguments()
    given = dout.copy() if dout.ndim else float(dout)
    watched = dict(zip([*(piece.labels or ["x"]), "t"], arguments, strict=False)) | {"dout": given}
    before, held = copy.deepcopy(watched), copy.deepcopy(piece.parameters(subject))
    try:
        piece.call(subject, arguments, given)
    except Exception as error:
        return [raised(error, "a run", piece.labels[0] if piece.labels else "gradient")]
    words = "{} holds other numbers after forward and backward than before"
    found = []
    for name in [name for name, value in watched.items() if differ(value, before[name])]:
        code = "mutates-dout" if name == "dout" else "mutates-input"
        found.append(finding(code, name, words.format(f"the array {name}")))
    after, grads, once = piece.parameters(subject), slots(subject), piece.fresh()
    piece.forward(once)
    moved = piece.parameters(once)
    for name in [name for name, array in held.items() if differ(array, after.get(name))]:
        told = words.format(name)
        step, gradient = after[name] - held[name], grads[name].gradient()
        if np.shape(gradient) == step.shape and np.any(gradient):
            factor = np.vdot(step, gradient) / np.vdot(gradient, gradient)
            if same(step, factor * gradient, 1e-6):
                told += f": it moved by {factor:.4g} times its gradient"
        by_forward = differ(held[name], moved.get(name))
        code = "mutates-input" if by_forward else "update-in-backward"
        found.insert(0, finding(code, name, told))
    return found


def through_new_parameters(observation, names):
    """The arrays among `names` whose claims fit the parameters as a run leaves them."""
    piece, dout = observation.piece, observation.douts[0]
    subject = piece.fresh()
    claims = piece.claims(dout, subject)
    truth = Truth(piece.at(piece.inputs, piece.t, subject), lambda out: [dout])
    return [name for name in names if same(claims[name], truth.gradients[name][0], 1e-5)]


def differ(a, b):
    try:
        return not np.array_equal(a, b, equal_nan=True)
    except TypeError:
        return not np.array_equal(a, b)


def out_of_date(observation, seed, known):
    """Findings for what an earlier call left behind, beyond what is `known` to be wrong."""
    piece, dout = observation.piece, observation.douts[0]
    together = shares_state(piece.target) and not piece.pair
    if piece.hold or together or isinstance(piece.target, OfGraph):
        return []  # it draws random numbers, or no two copies of it are apart
    found = called_twice(piece, dout)
    for variant in (*variants(piece), *one_sample_more(piece)):
        found = found or called_before(piece, dout, variant, seed)
    return found or ([] if known or not piece.names else hidden(observation))


def left_behind(observation, names):
    """Findings for claims that depend on an array which forward neither uses nor writes, as the mask of an
    earlier call."""
    piece, dout, found = observation.piece, observation.douts[0], {}
    code = getattr(getattr(piece.target, "forward", None), "__code__", None)
    first = {name: observation.claims[0][name] for name in names}
    for key in code.co_names if code and names else ():
        array = getattr(piece.target, key, None)
        if isinstance(array, np.ndarray) and array.size and array.dtype.kind in "fb":
            subject = piece.fresh()
            other = ~array if array.dtype.kind == "b" else 1.3 * array + 0.1
            setattr(subject, key, other)
            out = piece.forward(subject)
            if same(out, observation.truth.out, 1e-12) and getattr(subject, key) is other:
                words = f"backward gives another gradient for other numbers in {key}, which forward does not use"
                some = stale(words, first, piece.backward(subject, dout))
                found = {one.where: one for one in some} | found
    return list(found.values())


def stale(words, first, second):
    """A finding for each claim that is another one the second time."""
    names = [name for name in first if not alike(first[name], second[name])]
    return [finding("stale-cache", name, f"for {name} {words}") for name in names]


def called_twice(piece, dout):
    try:
        subject = piece.fresh()
        first = piece.claims(dout, subject)
        second = piece.backward(subject, dout)
    except Exception:  # one that can be called once only, after each forward
        return []
    return stale("a second backward after the same forward gives another gradient", first, second)


def alike(a, b):
    return a is b or (a is not None and b is not None and (not differ(a, b) or same(a, b, 1e-9)))


def called_before(piece, before, variant, seed):
    """Findings where backward gives another gradient because forward ran elsewhere before."""

    def after(run_before, times=1):
        subject = piece.fresh()
        for _ in range(times):
            run_before(subject)
        return variant.after(subject, dout)

    try:
        out = np.array(variant.forward(variant.fresh()), np.float64)
        dout = variant.upstreams(out, seed)[0]
        fresh = after(variant.forward, 0)
    except Exception:  # outside the domain of forward
        return []
    if not np.all(np.isfinite(out)):
        return []
    words = "backward gives another gradient when forward has run with other inputs before"
    for run_before in (piece.forward, lambda subject: piece.claims(before, subject)):
        try:
            behind = after(run_before)
        except Exception as error:
            where = piece.labels[0] if piece.labels else "gradient"
            words = f"once forward has run with other inputs, a run raises {type(error).__name__}: {error}"
            return [finding("stale-cache", where, words)]
        found = stale(words, fresh, behind)
        for k in range(8) if found else ():  # no order of a set, say, that is another one each time
            for first, again in (fresh, after(variant.forward, k)), (behind, after(run_before)):
                found = [one for one in found if alike(first[one.where], again[one.where])]
        if found:
            return found
    return []


def hidden(observation):
    """Findings at other inputs and with other parameters, for what is right here."""
    words = "it fits the numbers that were there at the start, and stays when they change"
    for other in elsewhere(observation.piece):
        named, nameless = judge(other)
        if found := named + [finding("stale-cache", n, f"for {n} {words}") for n in nameless]:
            return found
    return []
