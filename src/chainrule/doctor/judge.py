"""The judge: which known mistake explains the gradients that nudging contradicts.

First array by array, by the table of mistakes; then, for what is one whole, by a chain of our own
layers with one mistake put into it. Read `state` and `doctor` next.
"""

import copy
from dataclasses import replace

import numpy as np

from chainrule.doctor.chain import chain_of_layer, chain_of_network
from chainrule.doctor.copies import private_copy
from chainrule.doctor.evidence import Observation, Sample, Suspect, common_factor, suspects
from chainrule.doctor.findings import RANK, close, finding, missing, proof, shapeless, tell
from chainrule.doctor.pieces import variants
from chainrule.doctor.probe import Truth
from chainrule.scenes import Scene, fits, products, same

FEW = 30  # entries of all inputs together: with so few, two mistakes may agree by accident
LIMIT = 60  # entries of an array that are nudged at a second input
BY_BATCH = (
    "bias-mean",
    "missing-batch-division",
    "double-batch-division",
    "samples-as-columns",
)
TINY = 1e-300  # noise where nothing was nudged


def judge(observation):
    """The findings that have a name, and name -> samples of the wrong gradients that got none."""
    found, wrong = [], {}
    network = not observation.piece.names
    for name in reversed(observation.names) if network else observation.names:
        samples = observation.samples(name)
        if len(samples) < len(observation.claims):
            if observation.matters(name):  # None is a fair answer where the gradient is 0
                found.append(missing(name))
        elif not all(sample.finite for sample in samples):
            found.append(finding("not-finite", name, "backward gives a number that is not finite"))
        elif not all(sample.right for sample in samples):
            wrong[name] = samples
    explained = explain(observation, wrong) if wrong else {}
    unnamed = {name: samples for name, samples in wrong.items() if name not in explained}
    for name in [name for name in unnamed if not all(s.shaped for s in unnamed[name])]:
        sample = unnamed.pop(name)[0]
        factor = lacking(sample)
        words = f"; {factor[1]} would be right" if factor else ""
        found.insert(0, shapeless(name, sample, words))
    reasons = {n: ("weight-decay", words) for n, words in by_decay(observation, unnamed).items()}
    for name, samples in unnamed.items():
        if name not in reasons and not close(samples):
            reasons[name] = by_what_is_missing(observation, name, samples)
    for name, (code, words) in [item for item in reasons.items() if item[1]]:
        found.append(finding(code, name, f"{proof(name, unnamed.pop(name)[0])}; {words}"))
    return found + tell(explained, wrong), unnamed


def by_what_is_missing(observation, name, samples):
    """(code, words) for a claim that lacks a mask, a use or a factor; or None."""
    if name in observation.piece.names and (words := passes_where_closed(samples)):
        return "mask-missing", words
    if not linear(observation, name):
        return None  # what dout does to it is no missing factor
    if words := by_turning(observation, name, samples[0]):
        return "kernel-not-turned", words
    if found := by_uses(observation, name):
        return found
    if factor := lacking(samples[0]):
        return "factor-missing", f"{factor[1]} would be right"
    if found := left_out(observation, name, samples[0]):
        return found
    words = by_lines(samples[0])
    return ("factor-missing", words) if words else None


def by_turning(observation, name, sample):
    """Words, where a claim would be right if another array, a kernel, were turned around."""
    piece = observation.piece
    for other, array in observation.truth.arrays.items():
        turns = {axes for axes in ((-1,), (-2, -1), (0, 1)) if len(axes) <= array.ndim <= 4}
        for axes in turns if other != name and array.size > 1 and sample.shaped else ():
            changed = with_changed(piece, other, lambda old, axes=axes: np.flip(old, axes))
            try:
                truth = Truth(changed, [observation.douts[0]], limit=LIMIT)
            except Exception:
                continue
            seen = sample.seen & truth.seen[name]
            one = replace(sample, seen=seen, noise=sample.noise + truth.noise[name])
            if seen.any() and not one.right and one.explained_by(truth.gradients[name][0]):
                return f"it would be right if {other} were turned around"
    return ""


def by_uses(observation, name):
    """(code, words) for an input that meets several matrices, x @ A and x @ B, and whose gradient has
    one of these uses too little, or with a factor of its own.

    With no more rows than columns the use of a matrix W is pinv(x.T) @ dW @ W.T: looked at there.
    """
    piece, x = observation.piece, observation.truth.arrays[name]
    if name not in piece.names or x.ndim != 2 or piece.t is not None or x.shape[1] < 2:
        return None
    few = piece.sampled(np.arange(min(len(x), x.shape[1] - 1)))
    if (few := observed(few)) is None or not all(s.shaped for s in few.samples(name)):
        return None
    x, true = few.truth.arrays[name], few.truth.gradients[name][0]
    held = {k: W for k, W in few.truth.arrays.items() if W.ndim == 2 and len(W) == x.shape[1]}
    uses = {
        k: np.linalg.pinv(x.T) @ few.truth.gradients[k][0] @ W.T
        for k, W in held.items()
        if k != name
    }
    uses = {key: use for key, use in uses.items() if np.any(use)}
    if len(uses) < 2 or not same(sum(uses.values()), true, 1e-5):
        return None
    claim, parts = few.claims[0][name], np.array([use.ravel() for use in uses.values()]).T
    factors = np.linalg.lstsq(parts, claim.ravel(), rcond=None)[0]
    if not same(parts @ factors, claim.ravel(), 1e-5) or x.size <= len(uses):
        return None
    lost = [key for key, factor in zip(uses, factors, strict=True) if abs(factor) < 1e-4]
    if lost:
        return "overwritten-at-fork", f"the use of {name} through {' and '.join(lost)} is not in it"
    told = [
        f"{f:.4g} times the part through {k}"
        for k, f in zip(uses, factors, strict=True)
        if abs(f - 1) > 1e-4
    ]
    return "scaled", f"it has {' and '.join(told)}"


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
    try:
        return same(piece.claims(2 * dout)[name], 2 * observation.claims[0][name], 1e-9)
    except Exception:
        return True


def by_lines(sample):
    """Words, where each row (or column) of a claim is the right one times a number of its own."""
    claim, true = np.asarray(sample.claim), sample.scene.true
    if claim.ndim != 2 or min(claim.shape) < 2 or not sample.seen.all():
        return ""
    for words, axis in (("row", 1), ("column", 0)):
        size = np.sum(true * true, axis=axis, keepdims=True)
        if np.all(size > 1e-12 * size.max()):
            factors = np.sum(claim * true, axis=axis, keepdims=True) / size
            if sample.explained_by(factors * true):
                if np.ptp(factors) <= 1e-6 * np.abs(factors).max():
                    return f"it is {factors.flat[0]:.4g} times the right one here, not everywhere"
                told = ", ".join(f"{one:.4g}" for one in factors.ravel()[:3])
                return f"each {words} is the right one times a number of its own ({told}, ...)"
    return ""


def by_decay(observation, unnamed):
    """name -> words, where a claim and the truth differ by a multiple of the array itself."""
    network, found = not observation.piece.names, {}
    if not unnamed or not (network or observation.piece.pair):
        return found
    wanted = penalty(observation.piece) if network else None
    for name, samples in unnamed.items():
        W, sample = observation.truth.arrays[name], samples[0]
        rest = sample.visible(sample.claim - sample.scene.true)
        seen = sample.visible(W)
        k = float(np.vdot(rest, seen) / np.vdot(seen, seen)) if np.any(seen) else 0.0
        if seen.size > 2 and k and sample.explained_by(sample.scene.true + k * W):
            due = wanted or 0.0 if W.ndim > 1 and min(W.shape) > 1 else 0.0
            found[name] = f"the difference is {k:.4g} times {name}"
            if wanted is not None:
                found[name] += f": backward adds {due + k:.4g} times {name}"
                found[name] += f", and the loss wants {due:.4g} times"
    return found


def penalty(piece):
    """The factor of W in the gradient of a network's loss, seen where the inputs are 0: there nothing
    else moves the first W."""
    try:
        truth = Truth(piece.at([0.0 * piece.inputs[0]], piece.t), [np.array(1.0)], limit=LIMIT)
    except Exception:
        return 0.0
    for name, W in truth.arrays.items():
        seen = truth.seen[name]
        if W.ndim == 2 and min(W.shape) > 1 and np.any(W[seen]):
            gradient, w = truth.gradients[name][0][seen], W[seen]
            factor = float(np.vdot(gradient, w) / np.vdot(w, w))
            if abs(factor) > 1e-7 and same(gradient, factor * w, 1e-5):
                return factor
    return 0.0


def lacking(sample):
    """(name, words) of an array that the claim wants to be multiplied by, to be right; or None."""
    scene, claim = sample.scene, np.asarray(sample.claim)
    if not sample.seen.all() or not np.any(claim):
        return None
    held = dict(scene.others)
    if scene.slope is not None and claim.shape == scene.out.shape:
        held |= {"x": scene.own, "y": scene.out, "(1 - y)": 1 - scene.out, "(1 + y)": 1 + scene.out}
    for name, array in held.items():
        made = [(words.replace("dout", "it").replace("M", name), product)
                for words, product in products(replace(scene, dout=claim), array)]  # fmt: skip
        if claim.shape == sample.seen.shape and array.ndim <= claim.ndim and np.ptp(array):
            made += [(f"it * {name}", claim * array)] if fits(claim, array) else []
        for words, product in made:
            if sample.noise < np.linalg.norm(scene.true) and same(product, scene.true, 1e-6):
                return name, words
    return None


def left_out(observation, name, sample):
    """(code, words) where the right gradient of `name` depends on arrays (or entries of x) on which
    what backward gives does not: as a factor of it, or as another use beside it."""
    piece, kept, moved, rests = observation.piece, [], [], []
    own = piece.names == [name] and piece.pair and sample.seen.size <= FEW
    entries = np.argwhere(~np.isclose(sample.claim, sample.scene.true, 1e-5)) if own else ()
    place = tuple(entries[0]) if len(entries) else ...
    handles = {k: k for k in [*observation.params, *piece.names]}
    if own:
        handles = {f"{name}{[int(i) for i in e]}": e for e in np.ndindex(sample.seen.shape)
                   if e != place}  # fmt: skip
    for words, key in handles.items():
        changed = observed(
            with_changed(piece, *((name, grown_at(key)) if own else (key, grown))), LIMIT
        )
        if changed is None or name not in changed.names or changed.claims[0].get(name) is None:
            continue
        seen = np.zeros(sample.seen.shape, bool)
        seen[place] = True
        seen &= observation.truth.seen[name] & changed.truth.seen[name]
        claims = [one.claims[0][name] for one in (observation, changed)]
        truths = [one.truth.gradients[name][0] for one in (observation, changed)]
        claims, truths = ([one[seen] for one in pair] for pair in (claims, truths))
        rest = [true - claim for true, claim in zip(truths, claims, strict=True)]
        (kept if same(*claims, 1e-12) else moved).append(words)
        if same(*claims, 1e-12) and not same(*truths, 1e-4):
            rests.append(words)
        elif not same(*claims, 1e-12) and not same(*rest, 1e-4):
            moved.append(None)
    if not rests:
        return None
    words = f"the gradient that backward gives for {name} stays the same when "
    words += (
        " and when ".join(f"{other} changes" for other in rests)
        + ", and nudging finds another one then"
    )
    code = "overwritten-at-fork" if moved and None not in moved else "factor-missing"
    return code, words


def grown(array):
    return array + 0.05 + 0.25 * array


def grown_at(index):
    def change(array):
        array = array.copy()
        array[index] += 0.05 + 0.25 * array[index]
        return array

    return change


def with_changed(piece, name, change):
    """The piece with other numbers in one of its arrays."""
    if name in piece.names:
        position = piece.labels.index(name)
        inputs = [change(v) if i == position else v for i, v in enumerate(piece.inputs)]
        return piece.at(inputs, piece.t)
    target = private_copy(piece.target)
    array = piece.parameters(target)[name]
    array[...] = change(array.copy())
    return piece.at(piece.inputs, piece.t, target)


def explain(observation, wrong):
    """name -> suspects, for as many of the wrong arrays as possible."""
    ways = (by_table, by_chain) if observation.piece.names else (by_chain, by_table)
    first = ways[0](observation, wrong)
    if len(first) == len(wrong):
        return first
    whole = ways[1](observation, wrong)  # one mistake behind them all is better than a few of them
    return whole if len(whole) == len(wrong) else whole | first


def by_table(observation, wrong):
    """name -> suspects, for what the table explains array by array."""
    elsewhere = at_other_inputs(observation)
    explained = {}
    for name, samples in wrong.items():
        more = [s for other in elsewhere if name in other.names for s in other.samples(name)]
        causes = explanations(samples + more, len(samples))
        if causes and causes[0].code in BY_BATCH:
            causes = explanations(samples + more + one_sample_more(observation, name), len(samples))
        if causes:
            explained[name] = causes
    return agreed(explained)


def at_other_inputs(observation):
    """Observations at a few other inputs, where there are so few numbers that mistakes coincide."""
    piece = observation.piece
    if sum(value.size for value in piece.inputs) > FEW or not piece.names:
        return []
    return [other for other in map(observed, variants(piece, same_shape=True)) if other]


def one_sample_more(observation, name):
    """Samples for a larger batch: a factor of N grows with it, any other factor does not."""
    piece = observation.piece
    if len(piece.inputs) != 1 or (piece.inputs[0].ndim < 2 and not piece.listed):
        return []
    count = piece.inputs[0].shape[piece.axis]
    try:
        larger = observed(piece.sampled(np.append(np.arange(count), 0)), LIMIT)
    except IndexError:  # the targets have another size
        return []
    return larger.samples(name) if larger and name in larger.names else []


def observed(piece, limit=None):
    try:
        return Observation(piece, limit=limit)
    except Exception:  # outside the domain of forward
        return None


def explanations(samples, count):
    """Suspects for one array, best first; `count` samples belong to the inputs that were given."""
    found = suspects(samples)
    if found:
        return found
    if no_matter_what_dout(samples[:count]):
        flat = [
            replace(s, scene=replace(s.scene, true=s.scene.unit, dout=ones(s))) for s in samples
        ]
        return [replace(one, also="upstream-ignored") for one in suspects(flat)[:1]]
    return two_at_once(samples)


def ones(sample):
    return np.ones_like(sample.scene.dout)


def no_matter_what_dout(samples):
    """Whether the claims stay the same although dout, and with it the truth, does not."""
    claims = [sample.claim for sample in samples]
    return len(claims) > 1 and np.any(claims[0]) and same(claims[0], claims[1], 1e-12)


def two_at_once(samples):
    """A known mistake, and on top of it a batch size or a sign."""
    N = samples[0].scene.samples
    factors = {"missing-batch-division": N, "double-batch-division": 1 / N, "wrong-sign": -1}
    for code, factor in factors.items():
        undone = [replace(sample, claim=sample.claim / factor) for sample in samples]
        plain = [one for one in suspects(undone) if RANK[one.code] < RANK["upstream-ignored"]]
        if factor != 1 and plain:
            return [replace(plain[0], also=code)]
    return []


def agreed(explained):
    """For each array the suspects to be told: one that all arrays have in common, where there is one.

    A second suspect is kept only where it is as specific as the first.
    """
    codes = [{one.code for one in causes} for causes in explained.values()]
    common = set.intersection(*codes) if len(codes) > 1 else set()
    if common:
        code = min(common, key=RANK.get)
        return {name: [c for c in causes if c.code == code] for name, causes in explained.items()}
    generic = RANK["upstream-ignored"]
    return {
        name: causes[:1] + [c for c in causes[1:] if RANK[c.code] < generic]
        for name, causes in explained.items()
    }


def by_chain(observation, wrong):
    """name -> suspects, from a chain with the same numbers as the code under test."""
    piece, truth = observation.piece, observation.truth
    params = observation.params
    try:
        if piece.names:
            alone = len(piece.names) == 1 and piece.t is None and params
            chain = chain_of_layer(params, piece.inputs[0], truth.out) if alone else None
        else:
            decay = penalty(piece)
            chain = chain_of_network(params, piece.inputs[0], piece.t, float(truth.out), decay)
    except Exception:  # the numbers do not suit our own layers
        return {}
    if chain is None:
        return {}
    whole = {name: observation.samples(name) for name in observation.names}
    if not piece.names:
        return by_mistaken_chain([chain], whole, wrong)
    runs = [copy.deepcopy(chain).run(piece.inputs[0], dout=dout) for dout in observation.douts]
    return by_mistaken_chain(runs, whole, wrong)


def by_mistaken_chain(chains, samples, wrong):
    """name -> suspects. The mistake may sit at one array, or above several that it spoils.

    chains    the right chain, run for each upstream gradient
    samples   name -> its samples, for these upstream gradients, of every array
    wrong     the names among them whose gradients are wrong, from the loss backward
    """
    runs = [{one[:3]: one[3] for one in chain.with_mistakes()} for chain in chains]
    made = {key: [run[key] for run in runs] for key in runs[0] if all(key in r for r in runs)}
    untouched = [name for name in samples if name not in wrong]

    def from_above(names):
        for (code, words, where), gradients in made.items():
            if names and where not in samples and fitting(samples, gradients, names + untouched):
                return {name: [] for name in names} | {
                    names[0]: [Suspect(code, words, where=where)]
                }
        return {}

    if found := from_above(list(wrong)):
        return found
    alone = {}
    for (code, words, where), gradients in made.items():
        if where in wrong and fitting(samples, gradients, [where]):
            alone.setdefault(where, [Suspect(code, words)])
    found = alone | from_above([name for name in wrong if name not in alone])
    return {name: found[name] for name in wrong if name in found}


def fitting(samples, gradients, names):
    """Whether the claims for all of `names` are these gradients, one dict an upstream gradient."""
    for name in names:
        for sample, made in zip(samples[name], gradients, strict=True):
            if np.size(made.get(name, ())) != sample.seen.size:
                return False
            if not sample.explained_by(np.reshape(made[name], sample.seen.shape)):
                return False
    return True


def compare_whole(claims, chain):
    """As `judge`, for a `gradient` whose layers are all right: it should give what they add up to."""
    found, samples = [], {}
    x, out = chain.inputs[next(iter(chain.layers))], np.array(chain.value)
    for name, claim in reversed(claims.items()):
        true = np.asarray(chain.gradients[name])
        if claim is None:
            found.append(missing(name))
            continue
        scene = Scene(name, {"x": x}, {}, out, np.array(1.0), true, true)
        samples[name] = [Sample(scene, claim, np.ones(true.shape, bool), TINY, 1e-9)]
    wrong = {name: one for name, one in samples.items() if not one[0].right}
    explained = by_mistaken_chain([chain], samples, wrong) if wrong else {}
    left = {name: one for name, one in wrong.items() if name not in explained}
    by_number = {name: explanations(one, 1) for name, one in left.items()}
    explained |= agreed({name: causes for name, causes in by_number.items() if causes})
    unnamed = {name: one for name, one in left.items() if name not in explained}
    for name in [name for name, (one,) in unnamed.items() if not one.shaped]:
        found.append(shapeless(name, unnamed.pop(name)[0]))
    return found + tell(explained, wrong), unnamed
