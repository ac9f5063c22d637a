"""The judge: which known mistake explains the gradients that nudging contradicts.

First array by array, by the table of mistakes; then by walks through the graph of the code, with one
mistake put into it. Read `state` and `doctor` next.
"""

from dataclasses import replace

import numpy as np

from chainrule.doctor.copies import layers_of, loss_of, private_copy, slots
from chainrule.doctor.evidence import common_factor, observed, suspects
from chainrule.doctor.findings import RANK, close, finding, missing, proof, shapeless, tell
from chainrule.doctor.missing import FEW, by_decay, by_what_is_missing
from chainrule.doctor.pieces import tried, variants
from chainrule.doctor.walks import EXACTLY, NEARLY, Trials
from chainrule.scenes import same

BY_BATCH = (
    "bias-mean",
    "missing-batch-division",
    "double-batch-division",
    "samples-as-columns",
)
MULTIPLES = (*BY_BATCH[1:], "scaled")


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
        found.insert(0, shapeless(name, unnamed.pop(name)[0]))
    reasons = {
        n: ("weight-decay", words) for n, words in tried({}, by_decay, observation, unnamed).items()
    }
    for name, samples in unnamed.items():
        if name not in reasons and not close(samples):
            reasons[name] = tried(None, by_what_is_missing, observation, name, samples)
    for name, (code, words) in [item for item in reasons.items() if item[1]]:
        found.append(finding(code, name, f"{proof(name, unnamed.pop(name)[0])}; {words}"))
    more = by_walks(observation, {n: s for n, s in unnamed.items() if not close(s)}, NEARLY)
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


def by_table(observation, wrong):
    """name -> suspects, for what the table explains array by array."""
    explained, elsewhere = {}, []
    few = sum(value.size for value in observation.piece.inputs) <= FEW
    for name, samples in wrong.items():
        if not few:  # with few numbers mistakes coincide
            causes = explanations(samples, len(samples))
        if few or (causes and causes[0].code in MULTIPLES):  # they are the same ones elsewhere
            elsewhere = elsewhere or at_other_inputs(observation)
            more = [s for other in elsewhere if name in other.names for s in other.samples(name)]
            causes = explanations(samples + more, len(samples))
        if causes:
            explained[name] = causes
    return agreed(explained)


def at_other_inputs(observation):
    """Observations at a few other inputs, and for one sample more."""
    return [other for other in map(observed, variants(observation.piece)) if other]


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
    return []


def ones(sample):
    return np.ones_like(sample.scene.dout)


def ignore_dout(samples):
    """Whether the claims stay the same although dout, and with it the truth, does not."""
    claims = [sample.claim for sample in samples]
    return len(claims) > 1 and np.any(claims[0]) and same(claims[0], claims[1], 1e-12)


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
