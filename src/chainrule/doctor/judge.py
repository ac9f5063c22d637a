"""The judge: which known mistake explains the gradients that nudging contradicts.

First array by array, by the table of mistakes; then by walks through the graph of the code, with one
mistake put into it. Read `state` and `doctor` next.
"""

from dataclasses import replace

import numpy as np

from chainrule.doctor.copies import layers_of, loss_of, private_copy, slots
from chainrule.doctor.evidence import LIMIT, common_factor, observed, suspects
from chainrule.doctor.findings import RANK, close, finding, missing, proof, shapeless, tell
from chainrule.doctor.missing import FEW, by_decay, by_what_is_missing, lacking
from chainrule.doctor.pieces import tried, variants
from chainrule.doctor.walks import EXACTLY, NEARLY, Trials
from chainrule.scenes import same

BY_BATCH = (
    "bias-mean",
    "missing-batch-division",
    "double-batch-division",
    "samples-as-columns",
)


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
    exact = tried({}, by_layers, observation.piece) if wrong else {}  # where nudging meets curves
    wrong = {
        n: s for n, s in wrong.items() if n not in exact or not same(s[0].claim, exact[n], 1e-9)
    }
    explained = tried({}, explain, observation, wrong) if wrong else {}
    unnamed = {name: samples for name, samples in wrong.items() if name not in explained}
    for name in [name for name in unnamed if not all(s.shaped for s in unnamed[name])]:
        sample = unnamed.pop(name)[0]
        factor = lacking(sample)
        words = f"; {factor[1]} would be right" if factor else ""
        found.insert(0, shapeless(name, sample, words))
    reasons = {
        n: ("weight-decay", words) for n, words in tried({}, by_decay, observation, unnamed).items()
    }
    for name, samples in unnamed.items():
        if name not in reasons and not close(samples):
            reasons[name] = tried(None, by_what_is_missing, observation, name, samples)
    for name, (code, words) in [item for item in reasons.items() if item[1]]:
        found.append(finding(code, name, f"{proof(name, unnamed.pop(name)[0])}; {words}"))
    more = by_walks(observation, {n: s for n, s in unnamed.items() if not close(s)}, NEARLY)
    more |= {name: with_its_multiple(observation, name, some) for name, some in more.items()}
    more = {name: causes for name, causes in more.items() if causes is not None}
    explained |= {
        name: with_its_multiple(observation, name, some)
        for name, some in explained.items()
        if some and some[0].factor is not None
    }
    explained = {name: (explained | more)[name] for name in wrong if name in explained | more}
    unnamed = {name: samples for name, samples in unnamed.items() if name not in more}
    return found + tell(explained, wrong), unnamed


def explain(observation, wrong):
    """name -> suspects, for as many of the wrong arrays as possible."""

    if found := one_multiple(observation, wrong):
        return found

    def walks(observation, wrong):
        return by_walks(observation, wrong, EXACTLY)

    ways = (by_table, walks) if observation.piece.names else (walks, by_table)
    first = ways[0](observation, wrong)
    double = {n: wrong[n] for n, causes in first.items() if causes and causes[0].also}
    first |= by_walks(observation, double, EXACTLY)  # one mistake is likelier than two
    if len(first) == len(wrong):
        return first
    whole = ways[1](observation, wrong)  # one mistake behind them all is better than a few of them
    if len(whole) == len(wrong):
        return whole
    more = {name: one for name, one in wrong.items() if name not in first | whole}
    return whole | first | by_walks(observation, more, EXACTLY)


def one_multiple(observation, wrong):
    """name -> suspects, where all gradients of a network are the same multiple of the right ones."""
    names = list(wrong)
    if observation.piece.names or len(names) < 2 or len(names) < len(observation.names):
        return {}
    if common_factor(sum(wrong.values(), [])) is None:
        return {}
    found = by_table(observation, {names[0]: wrong[names[0]]})
    causes = [replace(one, where="loss") for one in found.get(names[0], ())]
    return {name: [] for name in names} | {names[0]: causes} if causes else {}


def by_walks(observation, wrong, stages):
    """name -> suspects, from the walks through the graph of the code."""
    if not wrong:
        return {}
    if not hasattr(observation, "trials"):
        observation.trials = tried(None, Trials, observation)
    return tried({}, observation.trials.explain, wrong, stages) if observation.trials else {}


def with_its_multiple(observation, name, causes):
    """The suspects, where a multiple is the same at other inputs; where it is another one there, a factor
    that depends on the data is missing. None where nothing like it explains the claims there."""
    if not causes or "scaled" not in (causes[0].code, causes[0].also):
        return causes
    first, elsewhere = causes[0], tried([], multiples_elsewhere, observation, name, causes[0])
    if not elsewhere or first.words in elsewhere:
        return causes
    if first.factor is None and not any(elsewhere):
        return None
    words = f"{first.words} here, and another multiple at other inputs,"
    return [replace(first, code="factor-missing", words=words, factor=None, also=None)]


def multiples_elsewhere(observation, name, suspect):
    """What is found, in words, as the suspect was, at two other inputs; "" for nothing like it."""
    found = []
    for piece in list(variants(observation.piece, same_shape=True))[:2]:
        other = observed(piece, LIMIT)
        samples = other.samples(name) if other and name in other.names else []
        if not samples or all(one.right for one in samples):
            continue
        if suspect.factor is None:
            causes = by_walks(other, {name: samples}, NEARLY).get(name)
            found.append(causes[0].words if causes else "")
        else:
            factor = common_factor(samples)
            alike = factor is not None and abs(factor - suspect.factor) < 1e-4 * abs(factor)
            found.append(suspect.words if alike else "")
    return found


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


def explanations(samples, count):
    """Suspects for one array, best first; `count` samples belong to the inputs that were given."""
    found = suspects(samples)
    if found:
        return found
    if ignore_dout(samples[:count]):
        flat = [
            replace(s, scene=replace(s.scene, true=s.scene.unit, dout=ones(s))) for s in samples
        ]
        return [replace(one, also="upstream-ignored") for one in suspects(flat)[:1]]
    return two_at_once(samples)


def ones(sample):
    return np.ones_like(sample.scene.dout)


def ignore_dout(samples):
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


def by_layers(piece):
    """The gradients that the layers of a network give, called one after the other; or none."""
    twin = private_copy(piece.target)
    layers, loss = layers_of(twin), loss_of(twin)
    if piece.names or piece.hold or not layers or loss is None:
        return {}
    x = np.array(piece.inputs[0], np.float64)
    for layer in layers.values():
        x = layer.forward(x)
    value, dout = loss.forward(x, piece.t), loss.backward()
    for layer in reversed(layers.values()):
        dout = layer.backward(dout)
    fits = same(float(value), float(piece.forward(piece.fresh())), 1e-9)
    return {name: slot.gradient() for name, slot in slots(twin).items()} if fits else {}
