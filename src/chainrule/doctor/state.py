"""State: what a piece writes to, and what it keeps for too long.

Numbers of one run cannot show that. So the piece is run twice, at two inputs, in every order that may
matter, and what it was given is looked at afterwards.
"""

import copy

import numpy as np

from chainrule.doctor.evidence import Observation
from chainrule.doctor.findings import RANK, finding, raised, unknown
from chainrule.doctor.judge import LIMIT, judge
from chainrule.doctor.probe import private_copy, shares_state, variants
from chainrule.mistakes import same


def written_to(piece, dout):
    """Findings for arrays of the caller, and parameters, that hold other numbers after a run."""
    subject, arguments = piece.fresh(), piece.arguments()
    given = dout.copy() if dout.ndim else float(dout)
    watched = dict(zip([*(piece.names or ["x"]), "t"], arguments, strict=False))
    before = copy.deepcopy(watched | {"dout": given}), piece.parameters(private_copy(subject))
    try:
        piece.call(subject, arguments, given)
    except Exception as error:
        return [raised(error, "a run", piece.names[0] if piece.names else "gradient")]
    changed = [
        name
        for name, value in (watched | {"dout": given}).items()
        if differ(value, before[0][name])
    ]
    after = piece.parameters(subject)
    changed += [name for name, array in before[1].items() if differ(array, after.get(name))]
    return [
        finding(
            "mutates-dout" if name == "dout" else "mutates-input",
            name,
            f"the array {name} holds other numbers after forward and backward than before",
        )
        for name in changed
    ]


def differ(a, b):
    try:
        return not np.array_equal(a, b, equal_nan=True)
    except TypeError:
        return not np.array_equal(a, b)


def out_of_date(observation, h, seed, known, unnamed):
    """Findings for what an earlier call left behind, beyond what is `known` to be wrong."""
    piece = observation.piece
    if not observation.truth.repeatable or shares_state(piece.target):
        return []  # it draws random numbers, or no two copies of it are apart
    found = called_twice(piece, observation.douts[0])
    for variant in variants(piece):
        found = found or called_before(piece, variant, seed)
    if found:
        return found
    return [one for one in elsewhere(observation, h, seed, unnamed) if one.where not in known]


def called_twice(piece, dout):
    try:
        subject = piece.fresh()
        first = piece.claims(dout, subject)
        second = piece.backward(subject, dout)
    except Exception:  # one that can be called once only, after each forward
        return []
    words = "a second backward after the same forward gives another gradient"
    return [
        finding("stale-cache", name, f"for {name} {words}")
        for name in first
        if not alike(first[name], second[name])
    ]


def alike(a, b):
    return a is b or (a is not None and b is not None and (not differ(a, b) or same(a, b, 1e-9)))


def called_before(piece, variant, seed):
    """Findings where backward gives another gradient because forward ran elsewhere before."""
    try:
        out = np.array(variant.forward(variant.fresh()), np.float64)
        dout = variant.upstreams(out, seed)[0]
        fresh = variant.claims(dout)
    except Exception:  # outside the domain of forward
        return []
    if not np.all(np.isfinite(out)):
        return []
    words = "backward gives another gradient when forward has run with other inputs before"
    for run_before in (
        piece.forward,
        lambda subject: piece.claims(piece_dout(piece, seed), subject),
    ):
        subject = piece.fresh()
        try:
            run_before(subject)
            after = variant.after(subject, dout)
        except Exception as error:
            return [raised_before(error, piece)]
        names = [name for name in fresh if not alike(fresh[name], after[name])]
        if names:
            return [finding("stale-cache", name, f"for {name} {words}") for name in names]
    return []


def piece_dout(piece, seed):
    return piece.upstreams(np.array(piece.forward(piece.fresh())), seed)[0]


def raised_before(error, piece):
    where = piece.names[0] if piece.names else "gradient"
    words = f"once forward has run with other inputs, a run raises {type(error).__name__}: {error}"
    return finding("stale-cache", where, words)


def elsewhere(observation, h, seed, unnamed):
    """Findings at other inputs and with other parameters, for what is right, or has no name, here."""
    for variant in variants(observation.piece, same_shape=True):
        other = moved_on(variant, h, seed)
        if other is None:
            continue
        named, nameless = judge(other)
        specific = [one for one in named if RANK[one.cause] < RANK["upstream-ignored"]]
        if specific and not unnamed:
            return specific
        wrong = [*dict.fromkeys([one.where for one in named] + list(nameless))]
        found = stuck(observation, variant, other, wrong)
        if not (found or unnamed):
            found = named + [unknown(name, samples) for name, samples in nameless.items()]
        if found:
            return found
    return []


def stuck(observation, variant, other, names):
    """Findings for gradients that stay the same when what they depend on, the input or the parameters,
    has changed."""
    places = [observation]
    if names and variant.parameters(variant.target):
        places.append(Observation(variant, limit=LIMIT))
    words = "the gradient stays the same when what it depends on has changed"
    return [
        finding("stale-cache", name, f"for {name} {words}")
        for name in names
        if any(name in place.names and unmoved(place, other, name) for place in places)
    ]


def unmoved(place, other, name):
    """Whether the truth differs between two observations, and the claim does not."""
    claim = place.claims[0][name]
    still = claim is not None and alike(claim, other.claims[0][name])
    return still and not alike(place.truth.gradients[name][0], other.truth.gradients[name][0])


def moved_on(variant, h, seed):
    """An observation of the variant with all parameters changed, in place; None where it cannot run."""
    target = private_copy(variant.target)
    for array in variant.parameters(target).values():
        array *= 1.25
        array += 0.05
    piece = variant.at(variant.inputs, variant.t, target)
    try:
        observation = Observation(piece, h, seed, limit=LIMIT)
    except Exception:
        return None
    return observation if np.all(np.isfinite(observation.truth.out)) else None
