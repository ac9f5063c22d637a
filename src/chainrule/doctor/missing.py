"""Missing: what a claim that no mistake of the table explains would need to be right.

A mask, a use of a value, a factor, a penalty, or targets in a column. Each is looked for by numbers alone: by a product
with an array that is there, or at other numbers. Read `judge` next.
"""

from contextlib import suppress
from dataclasses import replace

import numpy as np

from chainrule.doctor.copies import enclosed, outside
from chainrule.doctor.evidence import LIMIT, common_factor, observed
from chainrule.doctor.findings import cut_off
from chainrule.doctor.pieces import tried, variants
from chainrule.doctor.probe import Truth
from chainrule.scenes import same

FEW = 30  # entries of all inputs together: with so few, two mistakes may agree by accident


def by_column(observation, wrong):
    """name -> (code, words) for gradients that are right once targets (N,) are a column (N, 1)."""
    piece = observation.piece
    if not wrong or np.ndim(piece.t) != 1 or np.asarray(piece.t).dtype.kind != "f":
        return {}
    column = np.reshape(piece.t, (-1, 1))
    claims = piece.at(piece.inputs, column).claims(observation.douts[0])
    right = [n for n in wrong if same(claims[n], wrong[n][0].scene.true, 1e-6)]
    words = f"with t of shape {column.shape} in place of {np.shape(piece.t)} it is right"
    return {name: ("broadcast-targets", words) for name in right}


def by_what_is_missing(observation, name, samples):
    """(code, words) for a claim that lacks a mask, a use or a factor; or None."""
    if name in observation.piece.names and (words := passes_where_closed(samples)):
        return "mask-missing", words
    if cut_off(samples[0]) is not None:
        observation.bounded.add(name)
        return None
    if (factor := common_factor(samples)) is not None:
        elsewhere = [one for one in map(observed, variants(observation.piece)) if one]
        piece = observation.piece
        small = observed(piece.at([0.1 * value for value in piece.inputs], piece.t))
        cut = small is not None and name in small.right  # what lacks a factor is not
        if cut or any(turned(one.claims[0][name], samples[0].claim) for one in elsewhere):
            observation.bounded.add(name)
            return None
        words = f"it is {factor:.6g} times the right one here, and another multiple at other inputs"
        order = nodes_of(observation)
        single = np.abs([float(node.value.ravel()[0]) for node in order if node.value.size == 1])
        near = np.isclose(single, abs(factor), 1e-5) | np.isclose(single * abs(factor), 1, 1e-5)
        unmet = abs(factor) > 1 and len(single) and not near.any()  # perhaps too much is there
        return "unknown" if unmet else "factor-missing", words
    if not linear(observation, name):
        return None  # what dout does to it is no missing factor
    return by_ratio(observation, samples[0]) or left_out(observation, name, samples[0])


def by_ratio(observation, sample):
    """(code, words) where the wrong entries are the right ones times a value of forward, or over one."""
    true = sample.scene.true
    off = sample.seen & ~np.isclose(sample.claim, true, 1e-5, 1e-9) & (true != 0)
    ratio = sample.claim[off] / true[off]
    for node in nodes_of(observation) if len(np.unique(np.round(ratio, 6))) > 2 else ():
        value = node.value.reshape(node.value.shape + (1,) * (true.ndim - node.value.ndim))
        with suppress(ValueError):
            value = np.broadcast_to(value, true.shape)[off]
            for told, one in (("times", value), ("over", 1 / value)):
                c = float(np.vdot(one, ratio) / np.vdot(one, one))
                if same(c * one, ratio, 1e-5):
                    own = node.entrywise and same(node.local(0), node.value, 1e-6)  # that of exp
                    lost = (told == "times") == divides(node) or told == "over" and own
                    code = "factor-missing" if lost else "another-array"
                    times = f"{c:.4g} times " if abs(c - 1) > 1e-4 else ""
                    return code, f"where it is wrong it is {times}the right one {told} {node.line}"
    return None


def nodes_of(observation):
    """The graph of the code, as far as it was walked."""
    walks = observation.trials
    return walks.graph.order if walks and walks.made else ()


def divides(node):
    """Whether a value, as far as forward goes, is divided by: it is a root, or below a bar."""
    if node.entrywise and len(node.sources) == 1 and same(node.value**2, node.sources[0].value):
        return True
    bars = [user for user, i in node.uses if user.entrywise and not user.linear and i == 1]
    pairs = [(user.value, user.sources[0].value) for user in bars]
    return any(same(value * node.value, above + 0 * value) for value, above in pairs)


def turned(a, b):
    """Whether two claims are of one length, as one that is cut down to a length, and not the same."""
    sizes = np.linalg.norm(a), np.linalg.norm(b)
    return np.size(a) > 1 and np.allclose(*sizes, 1e-9) and not same(np.abs(a), np.abs(b), 1e-3)


def passes_where_closed(samples):
    """Words, where the claims are right (or a fixed part of it) but where the right gradient is 0."""
    rest = []
    for sample in samples:
        true, claim = np.asarray(sample.scene.true), sample.claim
        shut = np.abs(true) <= 1e-7 * np.max(np.abs(true), initial=0.0)
        rest.append(replace(sample, seen=sample.seen & ~shut))
        if np.sum(rest[-1].seen) < 2 or not np.any(claim[shut]):
            return ""
    words = "where nudging finds 0, backward hands something on, and all the rest is "
    if all(one.right for one in rest):
        return words + "right"
    factor = common_factor(rest)
    return f"{words}{factor:.4g} times the right one" if factor else ""


def linear(observation, name):
    """Whether twice the dout gives twice the claim, as it has to."""
    piece, dout = observation.piece, observation.douts[0]
    with suppress(Exception):
        return same(piece.claims(2 * dout)[name], 2 * observation.claims[0][name], 1e-9)
    return True


def by_decay(observation, wrong):
    """name -> words, where a claim and the truth differ by a multiple of the array itself; in a function,
    where that is the same one at other numbers too."""
    piece, network, found = observation.piece, not observation.piece.names, {}
    shaped = {n: s[0] for n, s in wrong.items() if s[0].shaped and (network or piece.pair)}
    factors = {name: multiples(sample) for name, sample in shaped.items()}
    some = any(k for k, _ in factors.values())
    others = [one for one in map(observed, variants(piece)) if one] if some and not network else []
    due = tried({}, penalties, piece) if some and network else {}
    for name, (k, sign) in factors.items():
        few = 0.0 if k or not piece.pair else tried(0.0, of_penalty, piece, name, shaped[name])
        if few:
            found[name] = f"where it is wrong, the difference is {few:.4g} times {name}"
        elif k and all(same((k, sign), multiples(o.samples(name)[0]), 1e-4) for o in others):
            found[name], W = f"the difference is {k:.4g} times {name}", shaped[name].scene.own
            matrix = W.ndim > 1 and min(W.shape) > 1
            wanted = due.get(name, max(due.values(), default=None, key=abs) if matrix else None)
            if sign:
                found[name] += f" and {sign:.4g} times the sign of {name}"
            elif wanted is not None:
                found[name] += f": backward adds {round(wanted + k, 7) + 0.0:.4g} times {name}"
                found[name] += f", and the loss wants {wanted:.4g} times"
    return found


def of_penalty(piece, name, sample):
    """The factor of an array where one or two of its entries have a penalty in the gradient alone, and all
    others in the loss too; or 0. Where all that a function takes from around it is 0, that is all there is."""
    off = sample.seen & ~np.isclose(sample.claim, sample.scene.true, 1e-6, 1e-9)
    if not outside(piece.target) or not 0 < np.sum(off) < 3 or np.all(off):
        return 0.0
    with enclosed(piece.target, lambda array, key: 0.0 * array):
        bare = observed(piece).samples(name)[0]
    W, true = bare.scene.own, bare.scene.true
    k = float(np.vdot(bare.claim, W) / np.vdot(W, W))
    alone = same(bare.claim, k * W, 1e-6) and same(true, np.where(off, 0.0, k * W), 1e-6)
    moved = same((sample.claim - sample.scene.true)[off], k * sample.scene.own[off], 1e-5)
    return k if alone and moved else 0.0


def multiples(sample):
    """(k, s) for which the claim is off by k times its array, wherever it is off, or by s times its sign
    beside that, where one stands for the other; 0 where there are none."""
    rest = np.ravel(sample.visible(sample.claim - sample.scene.true))
    rest = rest / np.ravel(sample.scene.dout)[0]
    W = np.ravel(sample.visible(sample.scene.own))
    some = np.where(np.abs(rest) > 1e-6 * np.max(np.abs(rest), initial=0.0), W, 0.0)
    k = float(np.vdot(rest, some) / np.vdot(some, some)) if np.count_nonzero(some) > 2 else 0.0
    if same(rest, k * some, 1e-5):
        return k, 0.0
    forms = np.array([W, np.sign(W)]).T
    both = np.linalg.lstsq(forms, rest, rcond=1e-6)[0] if rest.size > 3 else np.zeros(2)
    fits = np.all(np.abs(both) > 1e-6) and same(rest, forms @ both, 1e-5)
    return tuple(both) if fits else (0.0, 0.0)


def penalties(piece):
    """name -> the factor of an array in its gradient where the inputs are 0: there nothing else moves
    the first W."""
    nowhere = piece.at([0.0 * piece.inputs[0]], piece.t)
    truth = Truth(nowhere, lambda out: [np.array(1.0)], limit=LIMIT)
    found = {}
    for name, W in truth.arrays.items():
        seen = truth.seen[name]
        gradient, w = truth.gradients[name][0][seen], W[seen]
        factor = float(np.vdot(gradient, w) / np.vdot(w, w)) if np.any(w) and w.size > 2 else 0.0
        if W.ndim > 1 and np.linalg.norm(gradient - factor * w) <= 1e-5 * np.linalg.norm(w):
            found[name] = round(factor, 7) + 0.0
    return found


def left_out(observation, name, sample):
    """(code, words) where the right gradient of `name` depends on arrays (or entries of x) on which what
    backward gives does not: as a factor of it, or as another use beside it."""
    rests, beside, place = [], [], ...
    piece, names = observation.piece, [*observation.params, *observation.piece.names]
    others = {other: (other, ...) for other in names}
    if piece.names == [name] and piece.pair and sample.seen.size <= FEW:
        # a function of a few numbers: look at the first wrong one, and move the others
        wrong = np.argwhere(~np.isclose(sample.claim, sample.scene.true, 1e-5))
        place = tuple(wrong[0]) if len(wrong) else ...
        cells = np.ndindex(sample.seen.shape)
        others = {f"{name}{list(k)}": (name, k) for k in cells if k != place}

    def seen_at(other, *way):
        """What backward gives here, and with other numbers there; and what nudging finds."""
        moved = observation.moved(*others[other], *way)
        if moved is None or name not in moved.names or moved.claims[0].get(name) is None:
            return None
        seen = np.logical_and(*(one.truth.seen[name][place] for one in (observation, moved)))
        claims = [one.claims[0][name][place][seen] for one in (observation, moved)]
        return claims, [one.truth.gradients[name][0][place][seen] for one in (observation, moved)]

    for other in others:
        if (both := seen_at(other)) is None:
            continue
        claims, truths = both
        if not same(*claims, 1e-12):
            if same(*truths, 1e-9):
                return None  # what has no part in the right one is no use of it
            gaps = [true - claim for true, claim in zip(truths, claims, strict=True)]
            (_, none), (true, rest) = seen_at(other, np.zeros_like) or both
            alone = not np.any(none) and np.linalg.norm(rest) > 1e-4 * np.linalg.norm(true)
            beside.append(alone or same(*gaps, 1e-4))
        elif not same(*truths, 1e-4):
            rests.append(other)
    if not rests:
        return None
    words = f"the gradient that backward gives for {name} stays the same when "
    words += " and when ".join(f"{other} changes" for other in rests)
    words += ", and nudging finds another one then"
    if beside and all(beside):  # what is missing stays as it is, or stays alone
        return "overwritten-at-fork", words
    alone = piece.names == [name] == list(observation.truth.arrays)
    fixed = place is ... or len(rests) == len(others)
    if fixed and not (observation.right or alone and observation.slopes[name] is not None):
        observation.doubtful.add(name)  # all is wrong, and perhaps not by a factor alone
    return "factor-missing", words
