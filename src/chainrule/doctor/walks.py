"""Walks: back through the graph of the code under test, right, and then with one mistake at a time.

The graph comes from a `tape`. A mistake is made wherever the code could have made it: at each use of a
value, at each call, and at each stretch of calls through which all goes, as a softmax. In a loop it is
made in every pass. What comes out at the leaves is what the code would have claimed then.
"""

import re
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from heapq import heapify, heappop, heappush
from itertools import chain, product

import numpy as np

from chainrule.doctor.copies import outside
from chainrule.doctor.evidence import FIT, Suspect, elsewhere
from chainrule.doctor.findings import RANK
from chainrule.doctor.pieces import one_hot, tried
from chainrule.doctor.tape import Node, NoGraph, recorded, sent
from chainrule.mistakes import TABLE
from chainrule.scenes import BY_OUTPUT, Scene, said, same, softmax_along, some_axes

STRETCH = 6  # calls that a stretch may have; twice as many down to a single number, as in a loss
LABELLED = 200  # scores of a network, at most, for which the labels are looked for
FEW = 3  # passes of a loop, of which each is looked at alone


@dataclass
class Change:
    """A mistake.

    code, words  its name, and what it does
    at           the node at which it is made
    gives        node -> {where to: what is handed on there in place of the right gradient}. Where to is the
                 position of a source, or an earlier node in place of all sources. What is handed on is a
                 function of dout and of `gradient`, which gives the gradient of any later node
    lost         whether it hands on nothing, so that a part of it might be handed on as well
    off          what it adds to the gradients of the leaves, for each dout, where that is known
    in_part      the code of what is "scaled", where that is a part of the gradient and no multiple of all of it
    """

    code: str
    words: str
    at: object
    gives: dict
    lost: bool = False
    off: object = None
    in_part: str = "scaled"


def gives(edges, hand_on):
    """The `gives` of a change: hand_on(node, i, dout) at each edge (node, i)."""
    made = defaultdict(dict)
    for node, i in edges:
        made[node][i] = lambda d, _, node=node, i=i: hand_on(node, i, d)
    return made


def each(groups, others):
    """The places of each group together, as in every pass of a loop; and each alone, where they are few, or
    the first and the last one. Of others it is first the ones (1) and then (2) the others."""
    for places in groups:
        if others < 2:
            yield places
        if len(places) > 1 and others != 1:
            yield from [
                [one] for one in (places if len(places) <= FEW else places[:: len(places) - 1])
            ]


def jumps(pairs, hand_on):
    """The same past whole stretches: hand_on(start, node, dout) for each pair (start, node)."""
    return {v: {u: lambda d, _, u=u, v=v: hand_on(u, v, d)} for u, v in pairs}


class Graph:
    """The graph of a piece. Raises an exception where the code cannot be recorded."""

    def __init__(self, piece, judged):
        self.order = recorded(piece)
        self.out, self.piece = self.order[-1], piece
        self.index = {node: k for k, node in enumerate(self.order)}
        self.leaves = {node.name: node for node in self.order if node.name is not None}
        self.sites = defaultdict(list)
        for node in self.order:
            if node.name is None:
                self.sites[node.site].append(node)
        self.steps = Counter(nodes[0].line for nodes in self.sites.values())
        self.above = self.dominators()
        self.reached = {}  # node -> the names, among those that are judged, to which its gradient goes on
        self.ways = {}  # node -> its sources, numbered, from which it goes on
        for node in self.order:
            own = {node.name} & set(judged) if not node.fixed else set()
            self.reached[node] = own.union(*(self.reached[source] for source in node.sources))
            self.ways[node] = [(i, s) for i, s in enumerate(node.sources) if self.reached[s]]

        self.runs = self.in_parts(self.sites.values())
        self.groups = [[leaf] for leaf in self.leaves.values()] + self.runs
        dout = np.random.default_rng(3).uniform(-1.5, 1.5, self.out.value.shape)
        self.gradients = self.right(dout)
        self.dead = {node for node in self.order if self.is_dead(node)}

    def in_parts(self, groups, end=lambda one: one):
        """The groups, of calls on one line, and parts of them where those lead to other parameters: the passes
        of each layer, in a loop over layers."""
        made = []
        for group in groups:
            parts = defaultdict(list)
            for one in group:
                parts[frozenset(self.reached[end(one)])].append(one)
            made += [group, *(part for part in parts.values() if len(part) < len(group))]
        return made

    def right(self, dout):
        """node -> gradient: the walk without a mistake."""
        return self.walk({self.out: np.reshape(dout, self.out.value.shape)})

    def walk(self, gradients, end=None):
        """node -> gradient, where some are known already: back from there, to the leaves or to another end."""
        for node in reversed(self.order[self.index.get(end, -1) + 1 :]):
            if node in gradients:
                for i, source in self.ways[node]:
                    gradients[source] = gradients.get(source, 0.0) + node.back(i, gradients[node])
        return gradients

    def is_dead(self, node):
        """Whether what comes back to a node adds up to nothing, as at the maximum that a softmax subtracts.
        Nobody writes that way down."""
        users = [(user, i, self.gradients[user]) for user, i in node.uses if user in self.gradients]
        own = np.max(np.abs(self.gradients.get(node, 0.0)), initial=0.0)
        terms = [d * user.local(i) if user.entrywise else d for user, i, d in users if own < 1e-7]
        return own < 1e-7 * max([np.max(np.abs(one), initial=0.0) for one in terms], default=0.0)

    def wrong(self, right, change):
        """node -> what a change adds to the right gradient, for the nodes that it reaches."""
        off, due = {}, [-self.index[node] for node in change.gives]
        heapify(due)

        def gradient(node):
            return right[node] + off.get(node, 0.0)

        def add(to, more):
            if to not in off and to not in change.gives:
                heappush(due, -self.index[to])
            off[to] = off.get(to, 0.0) + more

        while due:
            node = self.order[-heappop(due)]
            if node not in right or node in self.dead:
                continue
            handed = change.gives.get(node, {})
            jumped = [to for to in handed if not isinstance(to, int)]
            for to in jumped:
                add(to, handed[to](gradient(node), gradient))
            for i, source in self.ways[node]:
                if i in handed:
                    add(source, np.reshape(handed[i](gradient(node), gradient), source.value.shape))
                if i in handed or jumped:
                    add(source, -node.back(i, right[node]))
                elif node in off:
                    add(source, node.back(i, off[node]))
        return off

    def at_leaves(self, gradients):
        own = {n: v for n, v in self.leaves.items() if not v.fixed}
        return {n: gradients.get(v, np.zeros_like(v.value)) for n, v in own.items()}

    def dominators(self):
        """node -> the last node before it through which all its ways from the leaves lead, or None."""
        above, depth = {}, {None: -1}
        for node in self.order:
            meet = node.free[:1] or [None]
            for other in node.free[1:]:
                a, b = meet[0], other
                while a is not b:
                    a, b = (above[a], b) if depth[a] >= depth[b] else (a, above[b])
                meet = [a]
            above[node], depth[node] = meet[0], depth[meet[0]] + 1
        return above

    def scores(self):
        """node -> (the one-hot labels, softmax less labels, the axis), where a cross-entropy begins."""
        found = {}
        for node, own in ((node, self.gradients.get(node, 0.0)) for node in self.order):
            if not np.any(own) or any(source in found for source in node.sources):
                continue
            for axis in reversed(range(own.ndim)):
                if np.max(np.abs(own.sum(axis))) < 1e-7 * np.max(np.abs(own)):
                    y = softmax_along(node.value, axis)
                    for scale in np.ravel(np.moveaxis(own / y, axis, -1))[: y.shape[axis]]:
                        t = np.round(y - own / scale)
                        hot = np.isin(t, (0, 1)).all() and np.all(t.sum(axis) == 1)
                        if hot and same(y - t, own / scale, 1e-6):
                            found[node] = t, y - t, axis
        return found

    # What a code may do wrong.

    def changes(self, wrong, alone, others):
        """Every `Change` that spoils some of the `wrong` leaves, and nothing else (`alone`), or others too;
        those that take another array, of which there are most, or (`others` is 0) all the rest."""
        ends = not self.piece.names or self.piece.pair
        whole = self.right(np.ones(self.out.value.shape)) if ends else {}

        def spoils(nodes):
            reached = set().union(*(self.reached[node] for node in nodes))
            return bool(reached & wrong) and (reached <= wrong) == alone

        for nodes in each(self.groups, others) if not others else ():
            if spoils(nodes):
                yield from self.at_fork(nodes)
        for nodes in self.runs:
            uses = defaultdict(list)
            for node in nodes:
                for i, place in enumerate(node.places):
                    uses[place].append((node, i))
            for edges in each(uses.values(), others):
                if spoils([node.sources[i] for node, i in edges]):
                    yield from self.at_others(edges) if others else self.at_edges(edges)
                    ends = [(node.free[0], node) for node, _ in edges if len(node.free) == 1]
                    if edges[-1][0].entrywise and len(ends) == len(edges):
                        yield from self.at_functions(ends, others)
            if others or not spoils(nodes):
                continue
            given = np.concatenate([np.ravel(whole.get(node, 0.0)) for node in nodes])
            # Where a loss stands at the end, no dout is above it.
            ends = self.piece.pair or not self.piece.names
            some = given[given != 0] if ends else given
            if whole and (not some.size or np.ptp(some) <= 1e-6 * np.max(np.abs(some))):
                continue  # as in the end of a network: it is a multiple, as others are
            edges = [(node, i) for node in nodes for i in range(len(node.sources))]
            for one in (1, -1):
                made = gives(edges, lambda n, i, _, o=one: n.back(i, np.full(n.value.shape, o)))
                words = f"a dout of {one} at {nodes[0].line}"
                yield Change("upstream-ignored", words, nodes[0], made)
        for pairs in each(self.stretches(), others):
            if spoils([start for start, _ in pairs]):
                start, node = pairs[-1]
                yield from self.at_functions(pairs, others)
                if not others:
                    yield from self.by_table(self.scene_of_stretch, pairs, node, jumps)

    def at_fork(self, sources):
        """Values that are used more than once, where one use alone counts, in every pass."""
        uses = [source.uses for source in sources if len(source.uses) > 1]
        if uses:
            words = f"nothing coming back to {sources[0].line}"
            code = "overwritten-at-fork" if sources[0].sources else "always-zero"  # an array's own
            yield from nothing_back(code, words, sources[0], [*chain(*uses)])
        places = {(node.site, i): node for some in uses for node, i in some}
        for place, kept in places.items() if len(places) > 1 else ():
            lost = [(n, i) for some in uses for n, i in some if (n.site, i) != place]
            words = f"the use in {self.step(kept)} alone"
            code = "label-term-missing" if self.of_labels(lost) else "overwritten-at-fork"
            yield Change(code, words, sources[0], gives(lost, nothing))

        touched = {use: self.touched(*use) for use in chain(*uses)}
        ways, told = product((0, 1), (True, False), (True, False)), set()
        for k, first, together in ways if uses else ():
            masks = {}
            for some in uses:
                masks |= written_over({use: touched[use][k] for use in some}, first, together)
            numbers = b"".join(masks[use].tobytes() for use in touched)
            if numbers not in told:
                told.add(numbers)
                words = f"the {'first' if first else 'last'} use of each entry alone"
                made = gives(masks, partial(once_each, masks))
                yield Change("overwritten-at-fork", words, sources[0], made)

    def step(self, node):
        return "one step of " * (self.steps[node.line] > 1) + node.line

    def of_labels(self, edges):
        """Whether what comes back through these is one entry in each row, and takes away all the others."""
        lost = {}
        for node, source, i in [(node, node.sources[i], i) for node, i in edges]:
            if node in self.gradients and source in self.gradients:
                lost[source] = lost.get(source, 0.0) + node.back(i, self.gradients[node])
        shapes = {(one.ndim in (1, 2), *one.shape[-1:]) for one in lost.values()}
        if len(shapes) != 1 or not min(shapes)[0]:
            return False
        rows, whole = np.vstack([*lost.values()]), np.vstack([self.gradients[one] for one in lost])
        single = len(rows) > 1 and np.any(rows) and np.all(np.sum(rows != 0, axis=1) < 2)
        return single and np.max(np.abs(whole.sum(axis=1))) < 1e-7 * np.max(np.abs(whole))

    def touched(self, node, i):
        """Which entries of source i a call takes, and to which of them it hands something back."""
        taken, d = node.touches(i), self.gradients.get(node)
        given = taken if taken.all() or d is None else node.back(i, d) != 0
        return taken, given if np.any(given) else taken

    def at_edges(self, edges):
        """One source of a call, in every pass."""
        node, i = edges[-1]  # the first pass may begin with zeros
        words = f"nothing coming back through {self.step(node)}"
        fewer = node.value.size < node.sources[i].value.size  # as where one of each row is taken
        code = "label-term-missing" if fewer and self.of_labels(edges) else lost_code(edges)
        yield from nothing_back(code, words, node, edges)
        yield from self.past_gates(edges)
        yield from without_gate(edges)
        ways = {edge: dict(wrong_ways(*edge)) for edge in edges}
        with suppress(ValueError):  # no block of entries
            ways = {edge: ways[edge] | near for edge, near in one_step_apart(edges).items()} or ways
        shapes = {n.value.shape for n, _ in edges}
        if node.entrywise and len(node.sources) == 1 == len(shapes) < len(edges):
            last = {("another-array", "the way of the last pass"): partial(node.back, i)}
            ways = {edge: ways[edge] | last for edge in edges}
        for key in ways[node, i]:
            fit = [edge for edge in edges if key in ways[edge]]
            made = gives(fit, lambda n, k, d, key=key: ways[n, k][key](d))
            yield Change(key[0], f"{key[1]} at {node.line}", node, made)
        yield from self.by_table(scene_of_edge, edges, node, gives)

    def at_others(self, edges):
        """Another array of the same shape in the place of the one that meets this source in a product."""
        met = {(n, i): n.sources[1 - i] for n, i in edges if len(n.sources) == 2}
        if not met:
            return
        (node, _), partner = [*met.items()][-1][0], [*met.values()][-1]
        taken = [
            ("another-array", words, dict(zip(edges, arrays, strict=True)))
            for words, arrays in self.in_place_of(partner, len(edges))
        ]
        for words, values in self.turned:
            arrays = {edge: values[one] for edge, one in met.items() if one in values}
            taken.append(("kernel-not-turned", words, arrays))
        for code, words, arrays in taken:
            fit = {e: a for e, a in arrays.items() if e in met and met[e].value.shape == a.shape}
            if node.entrywise and all(opens(met[edge].value, fit[edge]) for edge in fit):
                code = "mask-missing"
            made = gives(fit, lambda n, i, d, fit=fit: n.beside(1 - i, fit[n, i]).back(i, d))
            if fit:
                other = (
                    partner.line
                    if partner.line != node.line
                    else "that of another pass of the loop"
                )
                yield Change(code, f"{words} in place of {other}", node, made)

    def in_place_of(self, wanted, count):
        """(words, arrays) for what might have been taken for another array, at each of so many places. Where
        a loop made fewer of them, those of its last passes are meant."""
        for nodes in self.groups:
            line, values, n = nodes[0].line, [node.value for node in nodes], len(nodes)
            if values[0].shape != wanted.value.shape or not np.ptp(values[-1]):
                continue
            users = [user for node in nodes for user, _ in node.uses]
            if users and all(user.line == line for user in users):
                continue  # it never leaves its line, so nobody else can take it
            at = [max(0, n - count + k) for k in range(count)]
            if nodes != [wanted]:
                yield line, [values[k] for k in at]
            if n > 1:
                before = [np.zeros_like(values[0]), *values]
                later = wanted in nodes and at[-1] > nodes.index(wanted)
                when = "in a later pass" if later else "one pass before"
                yield f"{line}, {when},", [before[k] for k in at]
                yield f"{line}, of the first pass,", values[:1] * count
                yield f"{line}, of the last pass,", values[-1:] * count

    @cached_property
    def turned(self):
        """(words, node -> what it is then) for each parameter, a kernel perhaps, turned around."""
        found = []
        for name, leaf in self.leaves.items():
            for axes in ((-1,), (-2, -1), (0, 1)) if name not in self.piece.names else ():
                if len(axes) <= leaf.value.ndim and sum(leaf.value.shape[k] for k in axes) > 2:
                    values = self.between(leaf, self.out, np.flip(leaf.value, axes))
                    found.append((f"{name}, turned around along {axes},", values))
        return found

    def at_functions(self, pairs, others):
        """A function whose derivative is mostly written by its output, where only a factor of that is
        handed on, or (`others`) where the derivative is taken of another array."""
        start, node = pairs[-1]
        for name, (f, df) in BY_OUTPUT.items() if np.ptp(node.value) else ():
            if not same(f(start.value), node.value):
                continue
            taken = []
            for code, told, form in NEAR[name] if not others else ():
                words = f"{told} in place of the derivative of {node.line}"
                taken.append((code, words, [form(u.value, v.value) for u, v in pairs]))
            for words, arrays in self.in_place_of(start, len(pairs)) if others else ():
                place = "another array of that line" if words == node.line else words.rstrip(",")
                words = f"the derivative at {node.line}, taken of {place},"
                taken += [("another-array", words, [df(one) for one in arrays])]
                taken += [("another-array", words, [df(f(one)) for one in arrays])]
            for code, words, slopes in taken:
                at = {v: slope for (_, v), slope in zip(pairs, slopes, strict=True)}
                yield Change(code, words, node, jumps(pairs, lambda u, v, d, at=at: d * at[v]))

    def past_gates(self, edges):
        """One way of several that meet, when it leads past the function that comes after all of them."""
        node, i = edges[0]
        if len(node.free) < 2 or any(len(one.uses) != 1 for one, _ in edges):
            return
        gate = node.uses[0][0]
        slope = gate.local(0) if gate.entrywise and len(gate.sources) == 1 else 1.0
        if np.shape(slope) == node.value.shape and np.ptp(slope) > 1e-6:
            code = "mask-missing" if np.isin(np.round(slope, 6), (0, 1)).all() else "factor-missing"
            words = f"dout from after {gate.line}, where {node.line} leads back,"
            made = {n: {k: lambda d, g, n=n, k=k: n.back(k, g(n.uses[0][0]))} for n, k in edges}
            yield Change(code, words, node, made)

    def by_table(self, scene_of, places, node, made):
        """Changes for all that the table has for the scenes scene_of(*place, dout) at a node."""
        scene = scene_of(*places[-1], self.gradients.get(node, 1.0))
        scenes = {}  # each is asked for again and again, for the same dout

        def handed(mistake, words, a, b, d):
            key = a, b, d.tobytes()
            if key not in scenes:
                scenes[key] = scene_of(a, b, d), {}
            there, told = scenes[key]
            if mistake.code not in told:
                told[mistake.code] = mistake.predictions(there)
            made = np.asarray(told[mistake.code].get(words, np.nan), np.float64)
            if made.size == there.true.size:
                return made.reshape(there.true.shape)
            return np.full(there.true.shape, made if made.size == 1 else np.nan)

        leaf = made is gives and places[-1][0].sources[places[-1][1]].name
        for mistake in TABLE:
            code, in_part = name_at(node, mistake.code, scene, leaf)
            for words in mistake.predictions(scene) if code else ():
                hand_on = partial(handed, mistake, words)
                told = re.sub(r"\bv\d\b", "M", words)  # the other factor, which has no name
                words = f"{told} at {node.line}"
                yield Change(code, words, node, made(places, hand_on), in_part=in_part)

    def stretches(self):
        """Lists of pairs (start, node): in each, the same stretch in every pass."""
        groups = defaultdict(list)
        for node in self.order:
            start = self.above.get(node)
            for _ in range(STRETCH if node.value.size > 1 else 2 * STRETCH):
                if start is None:
                    break
                if node.free != [start]:
                    if start.value.shape == node.value.shape or node.value.size == 1:
                        groups[start.site or start.name, node.site].append((start, node))
                start = self.above.get(start)
        return self.in_parts(groups.values(), lambda pair: pair[1])

    def scene_of_stretch(self, start, node, dout):
        """A scene for what lies between two nodes."""
        douts = (np.broadcast_to(d, node.value.shape) for d in (dout, 1.0))
        true, unit = (self.walk({node: d}, start)[start] for d in douts)
        entrywise = start.value.shape == node.value.shape and same(true, dout * unit, 1e-9)
        t = None
        if node.value.size == 1 and self.piece.t is not None:
            t = one_hot(self.piece.t, start.value, self.piece.axis)

        def out_at(x):
            return self.between(start, node, x)[node]

        def slope_at(x):
            h = 1e-5
            return (out_at(x + h) - out_at(x - h)) / (2 * h)

        return Scene(
            "x", {"x": start.value}, {}, node.value, np.broadcast_to(dout, node.value.shape), true, unit,
            {"x": unit} if entrywise else {}, *((slope_at, out_at) if entrywise else (None, None)),
            t=t, axis=self.piece.axis,
        )  # fmt: skip

    def between(self, start, node, x):
        """node -> what it would be, were an earlier one x, up to this node."""
        values = {start: x}
        for one in self.order[self.index[start] + 1 : self.index[node] + 1]:
            if any(source in values for source in one.sources):
                values[one] = one.again([values.get(s, s.value) for s in one.sources])
        return values


OUTPUT = ("another-array", "the output alone", lambda x, y: y)
NEAR = dict.fromkeys(BY_OUTPUT, (OUTPUT,)) | {  # what is taken for their derivatives
    "sigmoid": (
        ("factor-missing", "the output y alone", lambda x, y: y),
        ("factor-missing", "1 - y", lambda x, y: 1 - y),
        ("wrong-sign", "y (1 + y)", lambda x, y: y * (1 + y)),
        ("derivative-twice", "y y (1 - y)", lambda x, y: y * y * (1 - y)),
        ("derivative-twice", "y (1 - y) (1 - y)", lambda x, y: y * (1 - y) ** 2),
        ("derivative-of-input", "x (1 - y)", lambda x, y: x * (1 - y)),
        ("derivative-of-input", "y (1 - x)", lambda x, y: y * (1 - x)),
    ),
    "tanh": (
        OUTPUT,
        ("factor-missing", "1 - y", lambda x, y: 1 - y),
        ("wrong-sign", "1 + y ** 2", lambda x, y: 1 + y * y),
    ),
}
OF_BIAS = {  # the same for what is no bias
    "bias-mean": "scaled",
    "bias-sum-over-everything": "sum-over-wrong-axis",
    "bias-first-row": "overwritten-at-fork",
}
ELSEWHERE = """always-zero upstream-ignored scaled wrong-sign overwritten-at-fork whole-numbers
    inputs-not-swapped""".split()  # made here in other ways
DERIVATIVES = ("derivative-missing", "derivative-twice", "derivative-of-input")
DIVISIONS = ("missing-batch-division", "double-batch-division", "samples-as-columns")


def division(piece, factor):
    """The code for a gradient that is so many times the right one, in a function (loss, gradient) that takes
    its samples from around it: their number is the length of an axis that no input has."""
    own = {n for value in piece.inputs for n in value.shape}
    plain = factor <= 0 or abs(abs(np.log2(factor)) - 1) < 0.01  # a 2 has many sources
    held = outside(piece.target) if piece.pair and not plain else ()
    for shape in {array.shape for *_, array in held if array.ndim == 2}:
        for N, other in (shape, shape[::-1]):
            if N not in own and N > 2:
                made = N, 1 / N, N / other
                codes = "missing-batch-division", "double-batch-division", "samples-as-columns"
                for code, one in zip(codes, made, strict=True):
                    if abs(factor - one) <= 1e-3 * one:
                        return code
    return "scaled"


def name_at(node, code, scene, leaf):
    """What a mistake of the table is called at a node, and what a part of it is; None where it is made in
    another way. `leaf` tells whether the place of the scene is an array of the code's own."""
    missing, slope = code == "derivative-missing", scene.slope
    if code in ELSEWHERE or code in DIVISIONS and node.value.size > 1:
        return None, None  # a loss alone is divided by N
    if code in OF_BIAS and not leaf:
        return OF_BIAS[code], "scaled"
    if slope is None or code not in DERIVATIVES:
        return code, "scaled"
    levels = len(np.unique(np.round(np.abs(slope), 6)))
    if code == "derivative-of-input":
        return (None, None) if levels == 1 else (code, "scaled")  # it has signs alone
    alike = levels == 1 and np.ptp(np.sign(slope)) == 0  # not so in |x|
    if alike and slope.size == 1:  # a single one, which has to be the same at another number
        other = scene.slope_at and scene.slope_at(1.3 * scene.own + 0.1)
        alike = other is not None and same(other, slope, 1e-6)
    if alike or levels == 2 < slope.size and not missing:
        return "scaled", "factor-missing" if missing else "scaled"
    if missing and np.isin(slope, (0, 1)).all():
        return "mask-missing", "scaled"
    return "factor-missing" if missing and (scene.others or inside(node)) else code, "scaled"


def other_places(labels):
    """What labels, flat, have more than those that stand in the place of another row, step or class."""
    if len({t.shape for t in labels}) > 1:
        return []
    whole = np.array(labels)
    ways = [np.roll(whole, step, axis) for axis in range(whole.ndim) for step in (-1, 1)]
    ways += [whole[np.clip(np.arange(len(whole)) + k, 0, len(whole) - 1)] for k in (-1, 1)]
    return [np.ravel(whole - way) for way in (*ways, whole[:1], whole[-1:])]


def scale_of(array, form):
    return np.vdot(array, form) / np.vdot(form, form)


def opens(gate, other):
    """Whether an array is the same as another one but where that is 0, as a closed gate is."""
    shut = gate == 0
    return other.shape == gate.shape and shut.any() and np.all(shut | (gate == other))


def one_step_apart(edges):
    """edge -> {(code, words): dout -> gradient} where the windows that a loop takes from an array are put back
    one step apart, and it takes them further apart."""
    at = [(node.moved(i), node.sources[i].value.shape) for node, i in edges]
    if len(at) < 2 or any(places is None or not all(places) for places, _ in at):
        return {}
    firsts = np.array([np.unravel_index(min(places) - 1, shape) for places, shape in at])
    near = np.transpose([np.unique(one, return_inverse=True)[1] for one in firsts.T])
    if np.array_equal(near, firsts - firsts.min(axis=0)):
        return {}
    found, key = {}, ("axes-in-wrong-order", "each window one step after the other")
    for edge, (places, shape), a, b in zip(edges, at, firsts, near, strict=True):
        rest = np.array(np.unravel_index(places - 1, shape)).T - a + b
        found[edge] = {key: partial(sent, np.ravel_multi_index(rest.T, shape) + 1, shape=shape)}
    return found


def wrong_ways(node, i):
    """((code, words), dout -> gradient) for what a code may take for the way back through a product, or through
    a call that moves entries, repeats them, chooses from them or subtracts them."""
    shape, after = node.sources[i].value.shape, node.value.shape
    if node.pair and shape == after:
        yield ("factor-missing", "dout as it came"), lambda d: d
    if node.pair or node.entrywise:
        return
    places = node.chosen(i)

    def to(places):
        return partial(sent, np.ravel(places), shape=shape)

    if places is None:
        if node.small(i) and np.any(node.local(i) < 0):
            matrix = np.abs(node.local(i))
            yield ("wrong-sign", "no minus"), lambda d: np.reshape(np.ravel(d) @ matrix, shape)
        return
    counts = np.bincount(places, minlength=np.prod(shape, dtype=int) + 1)
    if len(shape) == len(after) and len(places) >= len(counts):
        for step, axes in product((-1, 1, -2, 2), some_axes(len(shape)) if len(shape) < 5 else ()):
            moved = np.roll(places.reshape(after), [step] * len(axes), axes)
            words = f"the rim of {said(axes)} cut off {abs(step)} {'further on' if step > 0 else 'too early'}"
            yield ("axes-in-wrong-order", words), to(moved)
    if counts[0]:
        return  # not each entry of the value is one of the source
    every = np.arange(1, len(places) + 1)
    if len(places) == len(counts) - 1 and np.all(counts[1:] == 1):
        yield ("axes-in-wrong-order", "dout as it stands, not moved back,"), to(every)
        if len(shape) == len(after):
            words = "dout moved once more"
            yield ("axes-in-wrong-order", words), lambda d: node.again([np.reshape(d, after)])
    elif np.any(counts > 1):
        code = "repeated-rows" if np.ptp(counts[1:]) else "overwritten-at-fork"
        yield (code, "the first copy of each entry alone"), to(once(places, 1))
        yield (code, "the last copy of each entry alone"), to(once(places, -1))
        if len(shape) == len(after) and np.all(np.greater_equal(after, shape)):
            # a padding by copies, or by what lies on the other side
            wide = [((m - n) // 2, (m - n + 1) // 2) for m, n in zip(after, shape, strict=True)]
            kept = np.pad(np.ones(shape, int), wide) * places.reshape(after)
            yield ("overwritten-at-fork", "the copies in the rim cut off"), to(kept)
    for axes in some_axes(len(shape)) if len(places) < len(counts) - 1 else ():
        kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
        if after in (kept, tuple(np.delete(shape, axes))):
            words = "dout at every entry that is chosen from"
            all_of = partial(lambda kept, d: np.reshape(d, kept) + np.zeros(shape), kept)
            yield ("mask-missing", words), all_of


def nothing(node, i, dout):
    return np.zeros(node.sources[i].value.shape)


def nothing_back(code, words, at, edges):
    """Nothing comes back through these edges; or the other sign, which in a loop is made in every pass."""
    yield Change(code, words, at, gives(edges, nothing), lost=True)
    if len(edges) > 1:
        turned = gives(edges, lambda n, i, d: -n.back(i, d))
        yield Change("wrong-sign", words.replace("nothing", "the other sign"), at, turned)


def without_gate(edges):
    """A gate left out where the derivative of what comes after it is taken, as of the square in a squared hinge."""
    made, shut = {}, False
    for gate, user, i in [(node, *node.uses[0]) for node, _ in edges if len(node.uses) == 1]:
        if not gate.entrywise or len(gate.free) != 1 or user.free != [gate] or not user.entrywise:
            continue
        source, slope = gate.free[0], gate.local(gate.sources.index(gate.free[0]))
        alike = np.shape(slope) == source.value.shape == user.value.shape
        if alike and not user.linear and np.isin(np.round(slope, 6), (0, 1)).all():
            open_, shut = user.slope(i, source.value), shut or not np.all(slope > 0.5)
            made[user] = {source: lambda d, _, open_=open_: d * open_}
    if shut and len(made) == len(edges):
        line = edges[0][0].line
        yield Change("mask-missing", f"no gate at {line}", edges[0][0], made)


def written_over(uses, first, together):
    """use -> the entries that it hands back, where each entry gets the gradient of its first use alone, or of
    its last one; with `together`, uses of the same entries are one. `uses` tells which each of them takes."""
    groups, taken, masks = defaultdict(list), False, {}
    for use, touched in uses.items():
        groups[touched.tobytes() if together else use].append(use)
    for edges in list(groups.values())[:: 1 if first else -1]:
        touched = uses[edges[0]] & ~np.asarray(taken)
        masks |= dict.fromkeys(edges, touched)
        taken = taken | touched
    return masks


def once_each(masks, node, i, dout):
    """What goes back where a mask is open, from the last use of each entry alone."""
    places = None if node.entrywise or node.pair else node.chosen(i)
    if places is None or np.all(np.bincount(places)[1:] <= 1):
        return node.back(i, dout) * masks[node, i]
    return sent(once(places, -1), dout, masks[node, i].shape) * masks[node, i]


def once(places, way):
    """Of places the first one of each alone (1), or the last one (-1); nowhere, which is 0, in place of the others."""
    kept = np.zeros_like(places)
    found, at = np.unique(places[::way], return_index=True)
    kept[::way][at] = found
    return kept


def lost_code(edges):
    """The name of what is lost where nothing comes back through a call, in every pass."""
    node, i = edges[-1]
    source = node.sources[i]
    if node.entrywise and len(node.sources) == 2 and source.value.size < node.value.size:
        whole = comes_from(source, node.sources[1 - i])
        return "statistics-constant" if whole else "overwritten-at-fork"
    one = len(node.sources) == 1 and not node.entrywise and not node.pair and node.small(i)
    if one and node.value.size < source.value.size:
        partners = {one for user, _ in node.uses for one in user.sources}
        if source in partners and np.allclose(np.sum(node.local(i), axis=0), 1):  # x / sum(x)
            exp = source.entrywise and same(source.local(0), source.value, 1e-6)
            return "softmax-diagonal" if exp else "statistics-constant"
        share = np.max(node.local(i), axis=1)
        if np.allclose(np.sum(node.local(i), axis=1), 1) and np.all(share < 1):  # a mean
            return "statistics-constant"
    return "factor-missing" if is_inner(node, i) else "overwritten-at-fork"


def is_inner(node, i):
    """Whether it leads to one of two terms, of which one is made of the other, inside another function:
    whoever leaves that out has the inner derivative wrong, which is a factor."""
    start = node.sources[i]
    while len(node.free) == len(node.uses) == 1 and node.uses[0][0].line == node.line:
        node, i = node.uses[0]
    if not node.linear or len(node.free) != 2:
        return False
    other = node.sources[1 - i]
    return inside(node) and (comes_from(start, other) or comes_from(other, start))


def inside(node):
    """Whether the value goes on into another function on the same line, as that of a chain rule."""
    while len(node.uses) == 1 and node.uses[0][0].line == node.line:
        node, i = node.uses[0]
        if not node.entrywise or np.ptp(node.local(i)) > 1e-9:
            return node.entrywise and not node.linear
    return False


def comes_from(node, other):
    """Whether a node is the other one, or was made of it."""
    before = {node}
    while before and other not in before:
        before = {source for one in before for source in one.sources}
    return other in before


def scene_of_edge(node, i, dout):
    """A scene for one source of a call."""
    keys = [s.name or f"v{k}" for k, s in enumerate(node.sources)]
    held = dict(zip(keys, (s.value for s in node.sources), strict=True))
    place, ones = keys[i], np.ones(node.value.shape)
    slopes = {key: node.local(k) for k, key in enumerate(keys)} if node.entrywise else {}
    alone = node.entrywise and node.free == [node.sources[i]]
    free = [k for k, s in zip(keys, node.sources, strict=True) if s.name is None and not s.fixed]
    inputs = {k: v for k, v in held.items() if k == place or k in free}
    params = {k: v for k, v in held.items() if k not in inputs}
    return Scene(
        place, inputs, params, node.value, np.broadcast_to(dout, node.value.shape), node.back(i, dout),
        node.back(i, ones), slopes,
        *((lambda x: node.slope(i, x), lambda x: node.at(i, x)) if alone else (None, None)),
        forked=lambda: node.sources.count(node.sources[i]) > 1,
    )  # fmt: skip


# What the code claims, held against all of these.


class Trials:
    """The changes of the graph of a piece, and what each makes of the gradients."""

    def __init__(self, observation):
        piece, self.made, self.more = observation.piece, [], iter(())
        self.network, self.right, Node.spent = not piece.names, [], 0.0
        self.observation, self.decays, self.douts = (
            observation,
            observation.decays,
            observation.douts,
        )
        self.samples = {n: observation.samples(n) for n in observation.names}
        self.spots = {n: spot(some[0]) for n, some in self.samples.items() if some}
        wrong = {n for n, some in self.samples.items() if not all(s.right for s in some)}
        try:
            self.graph = Graph(piece, self.samples)
            self.walks = [self.graph.right(dout) for dout in self.douts]
            self.right = [self.graph.at_leaves(walk) for walk in self.walks]
            if self.belongs():
                stages = ((True, 0), (True, 1), (False, 0), (False, 1), (True, 2))
                first, *ways = [self.graph.changes(wrong, *stage) for stage in stages]
                ways.insert(0, self.by_places(wrong - {*piece.names}))
                ways = [chain(self.by_labels(), first), self.everywhere(), *ways]
                self.more = iter(ways)
        except NoGraph:
            pass

    def grow(self):
        """Try more changes. What has been tried until the work becomes too much is of use."""
        try:
            for change in next(self.more, ()):
                off = self.added(change) if change.off is None else change.off
                Node.spend(0)
                if tried(None, lambda off=off: off[0]) is not None:
                    self.keep(change, off)
        except NoGraph:
            self.more = iter(())

    def added(self, change):
        return Lazily(lambda k: self.graph.at_leaves(self.graph.wrong(self.walks[k], change)))

    def by_labels(self):
        """The change where other labels are subtracted than the loss has, or none: those of another row or step,
        or else those that give the claims."""
        found = self.graph.scores()
        names = [n for n, some in self.samples.items() if some and some[0].shaped]
        if not names or not 0 < sum(node.value.size for node in found) <= LABELLED:
            return

        def flat(gradients):
            seen = [self.samples[n][0].visible(gradients[n]) for n in names]
            return np.concatenate([np.ravel(one) for one in seen])

        columns = [
            flat(self.graph.at_leaves(self.graph.walk({node: one.reshape(t.shape)})))
            for node, (t, form, _) in found.items()
            for one in np.eye(t.size) * scale_of(self.walks[0][node], form)
        ]
        gap = flat({n: self.samples[n][0].claim - self.right[0][n] for n in names})
        labels = [t for t, *_ in found.values()]
        likely = np.round(np.linalg.lstsq(np.transpose(columns), gap)[0])
        ways = [one for one in (*other_places(labels), likely) if np.any(one)]
        off = next((one for one in ways if same(one @ columns, gap, 1e-5)), None)
        if off is None:
            return
        made, rows, parts = {}, [], np.split(off, np.cumsum([t.size for t in labels])[:-1])
        for (node, (t, form, axis)), more in zip(found.items(), parts, strict=True):
            more = more.reshape(t.shape)
            edges = [(node, i) for i in range(len(node.sources))]
            made |= gives(edges, lambda n, i, d, f=form, m=more: n.back(i, d + scale_of(d, f) * m))
            both = np.moveaxis(np.array([t, t - more]), axis + 1, -1)
            rows += both.reshape(2, -1, t.shape[axis]).transpose(1, 0, 2).tolist()
        off = [(k, t.index(1), other) for k, (t, other) in enumerate(rows) if t != other]
        if all(np.isin(other, (0, 1)).all() and sum(other) < 2 for *_, other in off):
            k, wanted, other = off[0]
            label = f"label {other.index(1)}" if any(other) else "no label"
            words = f"{label} where the loss takes {wanted} (row or step {k}; {len(off)} in all)"
            none = not any(any(other) for *_, other in off)
            code = "label-term-missing" if none else "labels-shifted"
            change = Change(code, words, self.graph.out, made)
            yield replace(change, gives={}, off=self.added(change))  # its place is the loss

    def everywhere(self):
        """The same where one mistake was made at every place that has room for it."""
        groups = defaultdict(list)
        for change, _ in self.made:
            if " at `" in change.words:
                key = change.code, change.words.partition(" at `")[0]
                groups[key].append(change)
        for key, changes in groups.items():
            if len({change.at.site for change in changes}) > 1:
                made = dict(chain(*(change.gives.items() for change in changes)))
                words = f"{key[1]} at {changes[0].at.line}, and at all others like it,"
                yield Change(key[0], words, changes[0].at, made)

    def by_places(self, names):
        """The same where a parameter gets its gradient from one place of dout alone, a sample or a step, or
        from all the others."""
        shape = self.graph.out.value.shape
        n = len(shape) if names else 0
        spans = [range(a, b) for a in range(n) for b in range(a + 1, n + 1)]
        spans = [span for span in spans if np.prod(shape[span.start : span.stop]) > 1]
        for span, place in product(spans, (0, -1)):
            there = np.zeros(shape)
            there[tuple(place if k in span else slice(None) for k in range(n))] = 1.0
            parts = [self.graph.at_leaves(self.graph.right(d * there)) for d in self.douts]
            for name, alone in product(names, (True, False)):
                lost = [r[name] - p[name] if alone else p[name] for r, p in zip(self.right, parts)]
                words = f"the {'last' if place else 'first'} place of dout along {said(span)} "
                words += "alone" if alone else "left out"
                bias = alone and span == range(1) and lost[0].ndim == 1
                code = "bias-first-row" if bias else "overwritten-at-fork"
                off = [{n: -one if n == name else 0.0 for n in self.right[0]} for one in lost]
                yield Change(code, words, self.graph.out, {}, off=off)

    def keep(self, change, off):
        made = Lazily(lambda k: {n: one + off[k][n] for n, one in self.right[k].items()})
        own = self.samples if self.network or self.decays else ()  # a penalty has its own name
        moved = [n for n in own if not same(self.right[0][n], made[0][n], 1e-9)]
        leaves = self.graph.leaves
        if not own or not all(parallel(off[0][n], leaves[n].value) for n in moved):
            self.made.append((change, made))

    def line_of(self, name, wrong):
        """The line at which a gradient goes wrong, as far as the right ones tell: the last one from which
        all that comes back is wrong, or else the only one that uses the array."""
        if not self.made or wrong >= set(self.samples):
            return ""
        spoilt = [one for one in self.graph.order if name in self.graph.reached[one] <= wrong]
        own = {user.line for user, _ in self.graph.leaves[name].uses}
        return spoilt[-1].line if spoilt[-1].name is None else own.pop() if len(own) == 1 else ""

    def belongs(self):
        """Whether it is the graph of this code: the walk without a mistake gives what nudging finds."""
        items = self.samples.items()
        pairs = [(s, one.get(n)) for n, some in items for s, one in zip(some, self.right)]
        return all(same(s.visible(one), s.visible(s.scene.true), 1e-5) for s, one in pairs)

    def explain(self, wrong, look):
        """name -> the suspect, from the changes that give what the code claims; None where it is spoilt further on."""
        found, left = {}, dict(wrong)
        if not self.made:
            self.grow()
        while left:
            ranked = []
            for suspect, made, change in look(self, left):
                names, clean = self.outcome(made, left)
                whole = clean and len(names) == len(left)
                key = whole, clean, len(names), suspect.also is None, -RANK[suspect.code]
                ranked += [(key, suspect, names, change)] if names else []
            if not ranked:
                before = len(self.made)
                self.grow()
                if len(self.made) == before:
                    break
                continue
            (_, clean, *_), suspect, names, change = max(ranked, key=lambda one: one[0])
            if suspect.code == "scaled":
                code = change.in_part  # of a part a factor is missing
                some = [s for n in names for s in self.samples[n] if s.shaped]
                if any(parallel(s.claim, s.scene.true) for s in some):
                    code = "scaled"
                if look is nearly and not self.stays(suspect, names):
                    pairs = product(names, self.observation.params)
                    lost = any(self.observation.ignores(*pair) for pair in pairs)
                    code = "factor-missing" if lost else "another-array"
                elif look is nearly and code == "scaled":
                    code = division(self.graph.piece, suspect.factor)
                suspect = replace(suspect, code=code)
            ends = [(node, to) for node, handed in change.gives.items() for to in handed]
            at = {(node.sources[to] if isinstance(to, int) else to).name for node, to in ends}
            if self.network and clean and not at & set(names):
                where = "loss" if change.at.value.size == 1 else change.at.layer
                suspect = replace(suspect, where=where)
            for name in names:  # what is spoilt further on has no mistake of its own
                own = name == names[0] or name in at or not clean
                found[name] = suspect if own else None
                left.pop(name)
        return found

    def stays(self, suspect, names):
        """Whether a part of the gradient has the same factor elsewhere: else it is no constant."""
        for other in () if self.network else elsewhere(self.graph.piece):
            trials, before = Trials(other), -1
            while len(trials.made) > before:
                before = len(trials.made)
                trials.grow()
                if any(one.words == suspect.words for one, *_ in nearly(trials, names)):
                    return True
            return False
        return True

    def outcome(self, gradients, left):
        """The names among `left` that these gradients explain, and whether all others stay as they are
        claimed."""

        def explained(n):
            place, value, room = self.spots[n]
            if not abs(gradients[0][n].flat[place] - value) <= room:
                return False
            return all(s.explained_by(gradients[k][n]) for k, s in enumerate(self.samples[n]))

        names = [n for n in left if explained(n)]
        others = [n for n in self.samples if n not in names] if names else ()
        pairs = [(gradients[k][n], right[n]) for n in others for k, right in enumerate(self.right)]
        return names, all(same(*pair, 1e-6) for pair in pairs)


def spot(sample):
    """One entry of a claim, what it is, and how near another one is to be: most are told apart by one."""
    if not sample.shaped:
        return 0, 0.0, np.inf
    seen = np.where(sample.seen, np.abs(sample.claim), 0.0)
    place = int(np.argmax(seen))
    return place, sample.claim.flat[place], 3 * FIT * np.linalg.norm(seen) + 2 * sample.noise


class Lazily(dict):
    """What is made for each upstream gradient, when it is asked for: the first one mostly tells enough, and
    alone counts as work."""

    def __init__(self, make):
        self.make = make

    def __missing__(self, k):
        spent, Node.spent = Node.spent, Node.spent if k == 0 else 0.0
        self[k] = self.make(k)
        Node.spent = spent if k else Node.spent
        return self[k]


def parallel(a, b):
    return a.size > 2 and np.any(b) and same(a, scale_of(a, b) * b, 1e-6)


def as_it_is(trials, left):
    for change, made in trials.made:
        yield Suspect(change.code, change.words), made, change
        if change.lost:
            words = f"the other sign for what comes back through {change.at.line}"
            yield Suspect("wrong-sign", words), sums(made, 2.0, trials.right, -1.0), change


def sums(made, a, others, b):
    return Lazily(lambda k: {n: a * m + b * others[k][n] for n, m in made[k].items()})


def nearly(trials, left):
    """Suspects by which a part of the gradient has another factor, or all of a wrong one."""
    right, samples = trials.right, trials.samples
    for change, made in trials.made:
        ways = [("{}, {:.5g} times,", sums(made, 0.0, made, 0.0), made)]
        part = "{1:.4g} times what comes back through {2}", made, sums(made, -1.0, right, 1.0)
        ways += [part] if change.lost else []
        for (words, base, parts), name in product(ways, left):
            some = samples[name]
            c = factor_of(parts, base, name, some[:1]) and factor_of(parts, base, name, some)
            if not c:
                continue
            code = "wrong-sign" if abs(c + 1) < 1e-5 else "scaled"
            both = {"code": change.code, "also": code} if parts is made else {"code": code}
            if parts is not made and change.code == "label-term-missing":
                both = {"code": change.code}  # as a number that happens to be the same in each row
            if both == {"code": "derivative-missing", "also": "scaled"}:
                both = {"code": "factor-missing"}  # a number stands in the place of the derivative
            told = words.format(change.words, c, change.at.line)
            yield Suspect(words=told, factor=c, **both), sums(base, 1.0, parts, c), change


def factor_of(parts, base, name, samples):
    """The c for which the claims are base + c * parts; 0 for none."""
    seen = [np.ravel(s.seen) for s in samples]
    part = np.concatenate([np.ravel(parts[k][name])[one] for k, one in enumerate(seen)])
    rests = [s.claim - base[k][name] for k, s in enumerate(samples)]
    rest = np.concatenate([np.ravel(r)[k] for r, k in zip(rests, seen, strict=True)])
    if all(np.ptp(one) <= 1e-9 * np.max(np.abs(one)) for one in (part, rest) if one.size):
        return 0.0  # any number is a multiple of any other one
    c = float(part @ rest / (part @ part)) if np.count_nonzero(part) > 2 else 0.0
    fits = abs(c) > 1e-9 and np.linalg.norm(rest - c * part) <= 1e-4 * np.linalg.norm(rest)
    return c if fits else 0.0
