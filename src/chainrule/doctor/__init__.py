"""The doctor: names what is wrong with a backward pass, from its numbers, and where they tell nothing from its source.

A gradient that nudging contradicts is compared with what each known mistake would have produced at
that place (`mistakes` lists them). Where numbers cannot tell, the doctor calls twice. In a network it looks
at each layer alone, from the loss backward.
"""

import re
from dataclasses import replace

import numpy as np

from chainrule.doctor import copies, findings, state
from chainrule.doctor.checks import check_numbers, piece_for, quiet
from chainrule.doctor.copies import enclosed, layers_of, outside
from chainrule.doctor.evidence import LIMIT, Observation
from chainrule.doctor.findings import Finding, finding, raised
from chainrule.doctor.judge import BY_BATCH, ignore_dout, judge, line_of
from chainrule.doctor.pieces import NetworkPiece, Piece, tried
from chainrule.doctor.repairs import by_repair, ignored
from chainrule.doctor.tape import recorded
from chainrule.mistakes import MISTAKES
from chainrule.scenes import same

VAGUE = ("scaled", "factor-missing")
BY_STATE = ("update-in-backward", "stale-cache", "mutates-dout", "mutates-input")


def diagnose(target, x=None, t=None, *, h=1e-5, seed=0) -> list[Finding]:
    """What is wrong with the gradients of `target`: a list of `Finding`s, most telling first.

    target, x, t   as for `gradient_check`: a node or a layer with its input (or a tuple of inputs), or,
                   with targets t, a loss (x are the scores) or a network
    h              the step of the nudges
    seed           the upstream gradients are random, drawn from this seed

    The list is empty where nothing is wrong; arrays without a gradient that may well be constants are
    told in its repr, and in its `unchecked`. What the target raises is reported, not raised. Target
    and arguments are left as they were.
    """
    check_numbers(h, seed, "diagnose")
    with copies.as_it_was(target):
        piece = piece_for("diagnose", target, x, t, h)
        with quiet():
            if isinstance(piece, NetworkPiece):
                found = or_raised(examine_network, piece, x, t, h, seed)
            else:
                if type(target).__module__.startswith("chainrule."):
                    piece.forward(piece.fresh())  # what does not fit is the caller's mistake
                found = or_raised(examine, piece, h, seed)
    found = findings.in_order(found)
    return findings.Findings(found, piece.unchecked) if piece.unchecked else found


def or_raised(look, piece, *arguments):
    """What `look` finds; what code raises that runs well once, and not when it runs again, is a finding."""
    try:
        return look(piece, *arguments)
    except Exception as error:
        return [raised(error, "a further run", piece.labels[0] if piece.labels else "loss")]


def examine(piece, h, seed):
    """The findings for a node, a layer or a loss, or for a network as one function."""
    network = not piece.labels
    names = ("loss", "gradient", "loss") if network else ("forward", "backward", piece.labels[0])
    forward, backward, where = names
    try:
        out = piece.forward(piece.fresh())
    except Exception as error:
        return [raised(error, forward, where)]
    if not np.all(np.isfinite(out)):
        return [finding("not-finite", where, f"{forward} returns a number that is not finite")]
    if not piece.repeatable:
        return [finding("not-repeatable", where, "two runs on the same input differ")]
    try:
        observation = Observation(piece, h, seed)
    except Exception as error:
        told = raised(error, backward, backward if network else where)
        return tried([], by_exception, error, piece) or [told]
    remark = []
    if piece.t is not None and piece.labels and np.size(out) == 1:
        if remark := right_at_the_end(observation):
            piece = piece.at_the_end()
            observation = Observation(piece, h, seed)
    named, unnamed = judge(observation)
    wrong = {one.where for one in named} | set(unnamed)
    named += tried([], state.left_behind, observation, list(unnamed)) if piece.names else []
    named += tried([], ties, observation, wrong)
    if table := tried([], all_pairs, piece, bool(wrong)):
        named, unnamed = table + named, {}
    written = state.written_to(piece, observation.douts[0])
    causes = {one.cause for one in written}
    known = {one.where for one in named} | set(unnamed)
    asked, came_of_it = sorted(wrong & set(observation.names)), []
    if "update-in-backward" in causes:
        came_of_it = tried([], state.through_new_parameters, observation, asked)
    if "mutates-dout" in causes:
        came_of_it += tried([], by_spoiling, observation, asked)
    told = {one.where for one in named} | set(came_of_it)
    left = {name: line_of(observation, name, wrong) for name in unnamed if name not in told}
    vague = {one.where for one in named if one.cause in VAGUE and "`" not in one.evidence}
    vague &= set(observation.names)  # a loss has no gradient of its own that could become right
    mended = tried({}, by_repair, observation, {*left, *vague}) if left or vague else {}
    named = [
        findings.with_line(one, mended[one.where]) if one.where in vague & {*mended} else one
        for one in named
    ]
    for name in {*left} - {*mended}:
        if other := tried(None, ignored, observation, name):
            words = f"it stays the same when {other} changes, and nudging finds another one then"
            mended[name] = "factor-missing", words
    nameless = [findings.unknown(n, unnamed[n], line, mended.get(n)) for n, line in left.items()]
    nameless.sort(key=lambda one: one.hint in (MISTAKES["unknown"].hint, findings.REPAIR))
    found = [one for one in named if one.where not in came_of_it] + nameless
    updates = [one for one in written if one.cause == "update-in-backward"]
    written += tried([], state.out_of_date, observation, seed, known)
    odd = ("update-in-backward", "stale-cache") if updates else ()  # the one makes the other
    return updates + found + [one for one in written if one.cause not in odd] + remark


def right_at_the_end(observation):
    """The finding for a loss that ignores dout, as a remark: where it ends a network it is right."""
    claimed = {n: s for n in observation.names if (s := observation.samples(n))}
    if len(observation.douts) < 2 or not all(ignore_dout(s) for s in claimed.values()):
        return []
    name, samples = next(iter(claimed.items()))
    words = f"{findings.proof(name, samples[0])}; for any other dout it gives the same"
    right = samples[0].explained_by(samples[0].scene.unit)
    words += ", and it is right for dout = 1" if right else ""
    return [finding("upstream-ignored", name, words)]


def by_spoiling(observation, names):
    """Those whose claims are wrong only by what a run wrote into dout before dout was used again."""
    piece, dout, given = observation.piece, observation.douts[0], observation.douts[0].copy()
    piece.call(piece.fresh(), piece.arguments(), given)
    both = [(n, *observation.samples(n)[:1]) for n in names]
    alike = [(n, one[0]) for n, *one in both if one and np.shape(one[0].claim) == dout.shape]
    return [n for n, one in alike if same(one.claim + dout - given, one.scene.true, 1e-6)]


def ties(observation, known):
    """The findings for inputs where entries tie, in a maximum. There it has a kink for each of them
    alone; but when all entries move together, it has none, and the gradient is known."""
    found, truth = [], observation.truth
    for name in observation.piece.names:
        kinks, claim = truth.kinks[name], observation.claims[0].get(name)
        if not kinks.any() or name in known or claim is None or claim.shape != kinks.shape:
            continue
        up, down = truth.along(name, np.ones(kinks.shape))[:, 0]
        gap = np.sum(claim) - up
        if abs(up - down) <= 1e-6 * (1 + abs(up)) < abs(gap):
            words = f"when all of {name} grows, nudging finds {up:.6g}, "
            words += f"and the gradient adds up to {np.sum(claim):.6g}"
            found.append(finding("tie-counted-twice", name, words))
    return found


def all_pairs(piece, wrong):
    """The finding for targets (N,) that meet outputs (N, 1): the loss stays when they change places, and
    changes when they are a column. Where a gradient is wrong, a list that a function takes from around it
    may be its targets too."""
    x, t = piece.inputs[0], piece.t
    one_each = x.shape == (*np.shape(t), 1) if piece.labels else x.shape[:1] == np.shape(t)
    fits = np.ndim(t) == 1 and one_each
    held = outside(piece.target) if piece.pair and wrong and not fits else ()
    places = {"t": t} if fits else {n: a for _, n, a in held if a.ndim == 1 and a.size > 2}

    def loss(name, targets, x=x):
        other = piece.at([x, *piece.inputs[1:]], targets if fits else t)
        try:
            with enclosed(piece.target, lambda a, key: targets if key == name and not fits else a):
                return float(np.reshape(other.forward(other.fresh()), ()))
        except Exception:
            return np.nan

    for name, own in places.items():
        turned, moved = np.roll(own, 1), np.roll(1.3 * x, 1) + 0.1
        ways = [(own,), (turned,), (own, moved), (turned, moved), (np.reshape(own, (-1, 1)),)]
        value, other, *both, beside = [loss(name, *way) for way in ways]
        off, size = abs(value - other) + abs(both[0] - both[1]), 1 + abs(value)
        if off <= 1e-9 * size and abs(value - beside) > 1e-6 * size:
            words = "the loss stays as it is when the targets change places, and"
            where = piece.labels[0] if piece.labels else "loss"
            words = f"{words} {name} is of shape {np.shape(own)}"
            return [finding("broadcast-targets", where, words)]
    return []


def by_exception(error, piece):
    """Findings for a product whose matrices do not fit: which one has the wrong orientation."""
    numbers = re.search(r"size (\d+) is different from (\d+)", str(error))
    aligned = re.search(r"not aligned: (\d+) \(dim \d\) != (\d+)", str(error))
    if not numbers and not aligned:
        return []
    columns, rows = map(int, (numbers[2], numbers[1]) if numbers else aligned.groups())
    places = []
    asked = {None, *piece.names, *piece.parameters(piece.fresh())}
    products = [node for node in recorded(piece) if node.pair and len(node.sources) == 2]
    for node, i in [(node, i) for node in products for i in (0, 1)]:
        source, other, place = node.sources[i], node.sources[1 - i], node.places[i][1]
        dout, met = np.atleast_2d(node.value), np.atleast_2d(node.factors[1 - place])
        name = other.name or f"({other.line})"
        left, right = (met.T, dout) if place else (dout, met.T)
        both = [(left.T, right.T), (right, left), (right.T, left), (right, left.T)]
        for rank, pairs in enumerate(([(left, right.T), (left.T, right)], both)):
            fit = any((a.shape[1], len(b)) == (columns, rows) for a, b in pairs)
            if fit and source.name in asked and left.shape[1] == len(right):
                where = source.name or other.name or "".join(piece.labels[:1]) or "loss"
                names = [one.name for one in (source, other) if one.name]
                strange = not any(name in findings.told_line(error) for name in names)
                told = f"{name}.T @ dout" if place else f"dout @ {name}.T"
                places.append((strange, rank, where, told))  # one turned is likelier
    for _, _, where, words in sorted(places, key=lambda one: one[:2])[:1]:
        said = f"backward raises {type(error).__name__}{findings.told_line(error)}: {columns} columns meet "
        said += f"{rows} rows; {words} fits"
        return [finding("weight-not-transposed", where, said)]
    return []


def examine_network(piece, x, t, h, seed):
    """The findings for a network, from the loss backward."""
    twin = copies.private_copy(piece.target)
    layers, loss = layers_of(twin), copies.loss_of(twin)
    found = []
    if layers and loss is not None:
        found = in_the_whole(piece, layers, examine_layers(layers, loss, x, t, h, seed), h, seed)
    return found or examine(piece, h, seed)


def in_the_whole(piece, layers, found, h, seed):
    """The findings of layers looked at alone, without those that the network as a whole takes back: a
    penalty that stands in the loss, and in the gradient of a layer; a division by N that has moved."""
    names = {id(slot.array): name for name, slot in copies.slots(piece.target).items()}
    held = {name: copies.slots(layer) for name, layer in layers_of(piece.target).items()}
    places = {
        f"{n}.{k}": names.get(id(s.array)) for n, some in held.items() for k, s in some.items()
    }
    doubtful = {one.where for one in found if one.where in places and one.cause not in BY_STATE}
    if not doubtful:
        return found
    try:
        whole = Observation(piece, h, seed, limit=LIMIT)
        decay = {one.where: one for one in judge(whole)[0] if one.cause == "weight-decay"}
    except Exception:
        return found
    kept = []
    for one in found:
        name = places.get(one.where) if one.where in doubtful else None
        if name in decay:
            kept.append(replace(decay[name], where=one.where))
        elif name not in whole.right:
            kept.append(one)
    moved = whole.right == set(whole.names)
    return [one for one in kept if not (moved and one.where == "loss" and one.cause in BY_BATCH)]


def examine_layers(layers, loss, x, t, h, seed):
    """Each layer alone, with the input that it gets here; the one nearest to the loss comes first."""
    found, value = [], np.asarray(x)
    for name, layer in layers.items():
        piece = Piece(layer, (value,))
        found = located(examine(piece, h, seed), name) + found
        value = piece.runs()
        if value is None or not np.all(np.isfinite(value)):
            return found
    last = Piece(loss, (value,), t, layers.values()).at_the_end()
    return located(examine(last, h, seed), "loss") + found


def located(found, layer):
    """The same findings with the name of the layer in them."""
    names = {"x": layer, "dout": layer, "t": layer}
    return [replace(f, where=names.get(f.where, f"{layer}.{f.where}")) for f in found]
