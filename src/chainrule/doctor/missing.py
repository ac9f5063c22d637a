"""Missing: what a claim that no mistake of the table explains would need to be right.

A penalty, or a mask. Each is looked for by numbers alone. Read `judge` next.
"""

from dataclasses import replace

import numpy as np

from chainrule.doctor.copies import enclosed, outside
from chainrule.doctor.evidence import LIMIT, common_factor, observed
from chainrule.doctor.pieces import tried, variants
from chainrule.doctor.probe import Truth
from chainrule.scenes import same


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
