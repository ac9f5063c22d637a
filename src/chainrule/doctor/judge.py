"""The judge: which known mistake explains the gradients that nudging contradicts.

First array by array, by the table of mistakes; then by walks through the graph of the code, with one
mistake put into it. Read `state` and `doctor` next.
"""

from dataclasses import replace
from functools import cache

import numpy as np

from chainrule.doctor.evidence import Suspect, common_factor, observed, suspect_of
from chainrule.doctor.findings import RANK, close, finding, missing, proof, shapeless, tell
from chainrule.doctor.missing import by_decay, passes_where_closed
from chainrule.doctor.pieces import one_sample_more, tried, variants
from chainrule.doctor.walks import DIVISIONS, Trials, as_it_is, division, nearly
from chainrule.mistakes import MISTAKES
from chainrule.scenes import same

BY_BATCH = ("bias-mean", *DIVISIONS)
FEW = 30  # entries of all inputs together: with so few, two mistakes may agree by accident
GENERIC = RANK["upstream-ignored"]  # from here on a mistake may be made anywhere


def judge(observation):
    """The findings that have a name, and name -> samples of the wrong gradients that got none."""
    found, wrong = [], {}
    names = [name for name in observation.names if name not in observation.right]
    for name in names[:: 1 if observation.piece.names else -1]:
        samples = observation.samples(name)
        if len(samples) < len(observation.claims):
            if observation.matters(name):  # None is a fair answer where the gradient is 0
                found.append(missing(name, name in observation.piece.names))
        elif not all(sample.finite for sample in samples):
            found.append(finding("not-finite", name, "backward gives a number that is not finite"))
        elif not all(sample.right for sample in samples):
            wrong[name] = samples
    observation.decays = tried({}, by_decay, observation, wrong)
    explained = tried({}, explain, observation, wrong) if wrong else {}
    left = {name: samples for name, samples in wrong.items() if name not in explained}
    for name in [name for name in left if not all(s.shaped for s in left[name])]:
        found.insert(0, shapeless(name, left.pop(name)[0]))
    reasons = {n: ("weight-decay", w) for n, w in observation.decays.items() if n in left}
    far = {n: s for n, s in left.items() if n not in reasons and not close(s)}
    open_ = {n: passes_where_closed(s) for n, s in far.items() if n in observation.piece.names}
    reasons |= {n: ("mask-missing", words) for n, words in open_.items() if words}
    odd = {n: s for n, s in far.items() if n not in reasons and common_factor(s) is None}
    explained |= by_walks(observation, odd, nearly)
    for name, (code, words) in reasons.items():
        found.append(finding(code, name, f"{proof(name, wrong[name][0])}; {words}"))
    unnamed = {n: s for n, s in left.items() if n not in explained and n not in reasons}
    return found + tell({n: explained[n] for n in wrong if n in explained}, wrong), unnamed


def explain(observation, wrong):
    """name -> the suspect, or None for what another one spoils, for as many of the wrong arrays as possible."""
    if found := one_multiple(observation, wrong):
        return found
    ways = (by_table, by_walks) if observation.piece.names else (by_walks, by_table)
    first = ways[0](observation, wrong)
    number = "double-batch-division" if len(wrong) == 1 else None  # of one array it tells little
    vague = {n for n, cause in first.items() if cause and (cause.also or cause.code == number)}
    for name, cause in by_walks(observation, {n: wrong[n] for n in vague}).items():
        if cause and (first[name].also or RANK[cause.code] < RANK[first[name].code]):
            first[name] = cause  # one mistake is likelier than two, and a line than a number
    if len(first) == len(wrong):
        return first
    whole = ways[1](observation, wrong)  # one mistake behind them all is better than a few of them
    if len(whole) == len(wrong) and not observation.piece.names:
        return whole
    more = {name: one for name, one in wrong.items() if name not in first | whole}
    return whole | first | by_walks(observation, more)


def one_multiple(observation, wrong):
    """The same, where all gradients of a network are one multiple of the right ones."""
    names = list(wrong)
    if observation.piece.names or len(names) < 2 or len(names) < len(observation.names):
        return {}
    if common_factor(sum(wrong.values(), [])) is None:
        return {}
    found = by_table(observation, {names[0]: wrong[names[0]]})
    return dict.fromkeys(names) | {n: replace(one, where="loss") for n, one in found.items()}


def by_walks(observation, wrong, look=as_it_is):
    """The same, from the walks through the graph of the code."""
    if wrong and observation.trials is None:
        observation.trials = tried(False, Trials, observation)
    walks = wrong and observation.trials
    return tried({}, walks.explain, wrong, look) if walks else {}


def line_of(observation, name, wrong):
    """The line at which a gradient without a name goes wrong, or nothing where that cannot be told."""
    return tried("", observation.trials.line_of, name, wrong) if observation.trials else ""


def by_table(observation, wrong):
    """The same, for what the table explains array by array."""
    explained, piece = {}, observation.piece
    few = piece.names and sum(value.size for value in piece.inputs) <= FEW

    @cache
    def observed_at(others):
        return [one for one in map(observed, others(piece)) if one]

    def more(name, others):
        return [s for one in observed_at(others) if name in one.names for s in one.samples(name)]

    grows = dict.fromkeys(BY_BATCH, one_sample_more) | {"scaled": variants}  # N, with the batch
    for name, samples in wrong.items():
        some = samples + (more(name, variants) if few else [])  # of few numbers mistakes coincide
        cause = explanation(some)
        if cause and (others := grows.get(cause.code)):
            cause = explanation(some + more(name, others))
        if cause and cause.code in DIVISIONS and np.shape(piece.inputs[0])[:1] == (2,):
            if not more(name, one_sample_more):  # 1 / N, or a half that is there without it
                factor = common_factor(samples)
                cause = Suspect("scaled", f"{factor:.6g} times the right gradient", factor)
        if cause and cause.factor:
            cause = replace(cause, code=division(piece, cause.factor))
        if cause:
            explained[name] = cause
    codes = {cause.code for cause in explained.values()}
    for code in sorted(codes, key=RANK.get) if len(codes) > 1 else ():
        common = {name: suspect_of(wrong[name], [MISTAKES[code]]) for name in explained}
        if all(common.values()):
            return common
    return explained


def explanation(samples):
    """The suspect for one array, or None."""
    if found := suspect_of(samples):
        return found
    turned = suspect_of([replace(sample, claim=-sample.claim) for sample in samples])
    known = turned and RANK[turned.code] < GENERIC
    return replace(turned, also="wrong-sign") if known else None


def ignore_dout(samples):
    """Whether the claims stay the same although dout, and with it the truth, does not."""
    claims = [sample.claim for sample in samples]
    return len(claims) > 1 and np.any(claims[0]) and same(claims[0], claims[1], 1e-12)
