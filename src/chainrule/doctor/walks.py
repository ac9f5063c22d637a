"""Walks: back through the graph of the code under test, right, and then with one mistake at a time.

The graph comes from a `tape`. A mistake is made wherever the code could have made it: at each use of a
value, at each call, and at each stretch of calls through which all goes, as a softmax. In a loop it is
made in every pass. What comes out at the leaves is what the code would have claimed then.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import product
from types import SimpleNamespace

import numpy as np

from chainrule.doctor.evidence import Suspect
from chainrule.doctor.findings import RANK
from chainrule.doctor.pieces import one_hot, tried
from chainrule.doctor.tape import Node, NoGraph, recorded
from chainrule.mistakes import TABLE
from chainrule.scenes import BY_OUTPUT, Scene, same

STRETCH = (
    6  # how many calls a stretch may have; twice as many down to a single number, as in a loss
)
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
    """

    code: str
    words: str
    at: object
    gives: dict
    lost: bool = False

    @property
    def targets(self):
        return [
            node.sources[to] if isinstance(to, int) else to
            for node, handed in self.gives.items()
            for to in handed
        ]


def gives(edges, hand_on):
    """The `gives` of a change: hand_on(node, i, dout) at each edge (node, i)."""
    made = defaultdict(dict)
    for node, i in edges:
        made[node][i] = lambda d, _, node=node, i=i: hand_on(node, i, d)
    return made


def each(places):
    """All of them, as one in every pass of a loop; and each alone, where they are few."""
    return [places, *([one] for one in places if 1 < len(places) <= FEW)]


def jumps(pairs, hand_on):
    """The same past whole stretches: hand_on(start, node, dout) for each pair (start, node)."""
    return {v: {u: lambda d, _, u=u, v=v: hand_on(u, v, d)} for u, v in pairs}


class Graph:
    """The graph of a piece. Raises an exception where the code cannot be recorded."""

    def __init__(self, piece, judged=()):
        self.order = recorded(piece)
        self.out, self.piece = self.order[-1], piece
        self.leaves = {node.name: node for node in self.order if node.name is not None}
        self.sites = defaultdict(list)
        for node in self.order:
            if node.name is None:
                self.sites[node.site].append(node)
        self.above = self.dominators()
        self.reached = {}  # node -> the names, among those that are judged, to which its gradient goes on
        for node in self.order:
            own = {node.name} & set(judged)
            self.reached[node] = own.union(*(self.reached[source] for source in node.sources))
        held = getattr(piece.target, "__dict__", {})
        self.held = {name: one for name, one in held.items() if isinstance(one, np.ndarray)}
        self.gradients = self.right(
            np.random.default_rng(3).uniform(-1.5, 1.5, self.out.value.shape)
        )
        self.dead = {node for node in self.order if self.is_dead(node)}

    def right(self, dout):
        """node -> gradient: the walk without a mistake."""
        return self.walk({self.out: np.reshape(dout, self.out.value.shape)})

    def walk(self, gradients):
        """node -> gradient, where some are known already: back from there."""
        for node in reversed(self.order):
            if node in gradients:
                for i, source in enumerate(node.sources):
                    given = node.back(i, gradients[node])
                    gradients[source] = gradients.get(source, 0.0) + given
        return gradients

    def is_dead(self, node):
        """Whether nothing comes back to a node although its users have a gradient, as to the maximum that
        a softmax subtracts. Nobody writes that way down."""
        from_users = [self.gradients[user] for user, _ in node.uses if user in self.gradients]
        sizes = [np.max(np.abs(one), initial=0.0) for one in from_users]
        return bool(sizes) and np.max(np.abs(self.gradients[node]), initial=0.0) < 1e-7 * max(sizes)

    def wrong(self, right, change):
        """node -> what a change adds to the right gradient, for the nodes that it reaches."""
        off = {}

        def gradient(node):
            return right[node] + off.get(node, 0.0)

        for node in reversed(self.order):
            if node not in right or node in self.dead:
                continue
            handed, added = change.gives.get(node, {}), []
            jumped = [to for to in handed if not isinstance(to, int)]
            for to in jumped:
                added.append((to, handed[to](gradient(node), gradient)))
            for i, source in enumerate(node.sources):
                if jumped:
                    added.append((source, -node.back(i, right[node])))
                elif i in handed:
                    given = handed[i](gradient(node), gradient)
                    given = np.reshape(given, source.value.shape)
                    added.append((source, given - node.back(i, right[node])))
                elif node in off:
                    added.append((source, node.back(i, off[node])))
            for to, more in added:
                off[to] = off.get(to, 0.0) + more
        return off

    def at_leaves(self, gradients):
        zero = np.zeros(())
        return {
            n: np.broadcast_to(gradients.get(leaf, zero), leaf.value.shape)
            for n, leaf in self.leaves.items()
        }

    def dominators(self):
        """node -> the last node before it through which all its ways from the leaves lead, or None."""
        above, depth = {}, {None: -1}
        for node in self.order:
            meet = list(dict.fromkeys(node.sources))[:1] or [None]
            for other in node.sources[1:]:
                a, b = meet[0], other
                while a is not b:
                    a, b = (above[a], b) if depth[a] >= depth[b] else (a, above[b])
                meet = [a]
            above[node], depth[node] = meet[0], depth[meet[0]] + 1
        return above

    # What a code may do wrong.

    def changes(self, wrong, alone):
        """Every `Change` that spoils some of the `wrong` leaves, and nothing else (`alone`), or others too."""
        whole = {} if self.piece.names else self.right(np.ones(self.out.value.shape))

        def spoils(nodes):
            reached = set().union(*(self.reached[node] for node in nodes))
            return bool(reached & wrong) and (reached <= wrong) == alone

        for source in self.order:
            if spoils([source]):
                yield from self.at_fork(source)
        for nodes in self.sites.values():
            uses = defaultdict(list)
            for node in nodes:
                for i, place in enumerate(node.places):
                    uses[place].append((node, i))
            for edges in (some for all_of_them in uses.values() for some in each(all_of_them)):
                if spoils([node.sources[i] for node, i in edges]):
                    yield from self.at_edges(edges)
            yield from self.at_branches(nodes) if spoils(nodes) else ()
            given = whole.get(nodes[0], np.arange(2))
            one_number = np.ptp(given) <= 1e-6 * np.max(np.abs(given))  # as in the end of a network
            if spoils(nodes) and not one_number:
                edges = [(node, i) for node in nodes for i in range(len(node.sources))]
                for one in (1, -1):
                    made = gives(edges, lambda n, i, _, o=one: n.back(i, np.full(n.value.shape, o)))
                    words = f"a dout of {one} at {nodes[0].line}"
                    yield Change("upstream-ignored", words, nodes[0], made)
        for pairs in (some for all_of_them in self.stretches() for some in each(all_of_them)):
            if spoils([start for start, _ in pairs]):
                start, node = pairs[0]
                if start.value.shape == node.value.shape:
                    yield from self.at_functions(pairs)
                yield from self.by_table(self.scene_of_stretch, pairs, node, jumps)

    def at_fork(self, source):
        uses = self.by_site(source)
        if len(source.uses) < 2:
            return
        for kept in ([source.uses[0]], [source.uses[-1]], *uses.values()):
            lost = [use for use in source.uses if use not in kept]
            one = "one use alone"
            if len(kept) > 1 or len(uses) > 1:
                one = f"the use in {kept[0][0].line} alone"
            if lost:
                yield Change("overwritten-at-fork", one, source, gives(lost, nothing))
        for one in uses.values() if any(len(some) > 1 for some in uses.values()) else ():
            for words in ("first", "last") if len(one) > 1 else ():
                made = self.written_over(source.uses, words == "first")
                told = f"the {words} use of each entry alone"
                yield Change("overwritten-at-fork", told, source, made)

    def written_over(self, uses, first):
        """Each entry gets the gradient of its first use alone, or of its last one."""
        taken, masks = False, {}
        for node, i in uses if first else reversed(uses):
            masks[node, i] = node.touches(i) & ~np.asarray(taken)
            taken = taken | masks[node, i]
        return gives(masks, lambda n, i, d: n.back(i, d) * masks[n, i])

    def by_site(self, source):
        found = defaultdict(list)
        for node, i in source.uses:
            found[node.site, i].append((node, i))
        return found

    def at_edges(self, edges):
        """One source of a call, in every pass."""
        node, i = edges[0]
        words = f"nothing coming back through {node.line}"
        yield Change(lost_code(node, i), words, node, gives(edges, nothing), lost=True)
        yield from self.at_others(edges)
        if len(node.sources) == 1 and node.entrywise:
            yield from self.at_functions([(one.sources[0], one) for one, _ in edges])
        yield from self.past_gates(edges)
        if node.pair and node.value.shape == node.sources[i].value.shape:
            as_it_came = gives(edges, lambda n, k, d: d)
            yield Change("factor-missing", f"dout as it came at {node.line}", node, as_it_came)
        if not node.entrywise and not node.pair:
            yield from self.at_moves(edges)
            yield from self.at_choices(edges)
        yield from self.by_table(scene_of_edge, edges, node, gives)

    def at_others(self, edges):
        """Another array of the same shape in the place of the one that meets this source in a product."""
        whole = [edge for edge in edges if len(edge[0].sources) == 2]
        if not whole or not whole[0][0].multiplies(whole[0][1]):
            return
        node, i = whole[0]
        partner = node.sources[1 - i]
        for code, words, others in self.in_place_of(partner):
            pairs = {edge: others[min(k, len(others) - 1)].value for k, edge in enumerate(edges)}
            fit = [(n, j) for (n, j), other in pairs.items() if np.shape(n.met(j)) == other.shape]
            shut = partner.value == 0
            if (
                node.entrywise
                and shut.any()
                and all(np.all(shut | (partner.value == o.value)) for o in others)
            ):
                code = "mask-missing"  # it is the same but where a gate is closed
            made = gives(fit, lambda n, j, d, pairs=pairs: n.back(j, d, pairs[n, j]))
            yield Change(code, f"{words} in place of {partner.line}", node, made)

    def in_place_of(self, wanted):
        """(code, words, nodes) for each array that might have been taken for another one."""
        found = [
            ("another-array", one.line, self.siblings(one))
            for one in self.order
            if one is not wanted
        ]
        found += [
            ("stale-cache", name, [SimpleNamespace(value=held)]) for name, held in self.held.items()
        ]
        for code, words, others in found:
            if others[0].value.shape == wanted.value.shape and np.ptp(others[0].value):
                yield code, words, others

    def at_functions(self, pairs):
        """A function whose derivative is mostly written by its output, where only a factor of that is
        handed on, or where it is taken of another array."""
        start, node = pairs[0]
        known = [(f, df) for f, df in BY_OUTPUT.values() if same(f(start.value), node.value)]
        for f, df in known if np.ptp(node.value) else ():
            for words, part in PARTS.items():
                made = jumps(pairs, lambda u, v, d, part=part: d * part(v.value))
                words = f"{words} alone in place of the derivative of {node.line}"
                yield Change("factor-missing", words, node, made)
            for code, words, others in self.in_place_of(start):
                at = {v: others[min(k, len(others) - 1)].value for k, (_, v) in enumerate(pairs)}
                place = "another array of that line" if words == node.line else words
                words = f"the derivative at {node.line}, taken of {place},"
                for form in (df, lambda x, f=f, df=df: df(f(x))):
                    made = jumps(pairs, lambda u, v, d, form=form, at=at: d * form(at[v]))
                    yield Change(code, words, node, made)

    def past_gates(self, edges):
        """One way of several that meet, when it leads past the function that comes after all of them."""
        node, i = edges[0]
        if len(node.sources) < 2 or any(len(one.uses) != 1 for one, _ in edges):
            return
        gate = node.uses[0][0]
        slope = gate.local(0) if gate.entrywise and len(gate.sources) == 1 else 1.0
        if np.shape(slope) == node.value.shape and np.ptp(slope) > 1e-6:
            code = "mask-missing" if np.isin(np.round(slope, 6), (0, 1)).all() else "factor-missing"
            words = f"dout from after {gate.line}, where {node.line} leads back,"
            made = {n: {k: lambda d, g, n=n, k=k: n.back(k, g(n.uses[0][0]))} for n, k in edges}
            yield Change(code, words, node, made)

    def siblings(self, node):
        return self.sites[node.site] if node.name is None else [node]

    def at_branches(self, nodes):
        """Where each entry is taken from one of two arrays: each of them gets what belongs to the other."""
        node = nodes[0]
        alike = {source.value.shape for source in node.sources} == {node.value.shape}
        if len(node.sources) == 2 and alike and not node.pair:
            if all(np.isin(node.local(i), (0, 1)).all() for i in (0, 1)):
                edges = [(n, i) for n in nodes for i in (0, 1)]
                made = gives(edges, lambda n, i, d: n.back(1 - i, d))
                yield Change("mask-inverted", f"the two ways of {node.line} exchanged", node, made)

    def at_moves(self, edges):
        """Where the entries only change places: in the order that they had before, or moved once more."""
        node, i = edges[0]
        matrix, moved = node.local(i), np.arange(node.value.size)
        if len(matrix) != matrix.shape[1] or not np.all(np.sort(matrix @ moved) == moved):
            return
        ways = {"as they stand, not moved back,": lambda n, k, d: d}
        if node.value.ndim == node.sources[i].value.ndim:
            ways["moved once more"] = lambda n, k, d: n.again([d])
        for words, way in ways.items():
            told = f"the numbers of dout {words} at {node.line}"
            yield Change("axes-in-wrong-order", told, node, gives(edges, way))

    def at_choices(self, edges):
        """Where one of a few entries is taken, as in a maximum: all of them get what belongs to that one."""
        node, i = edges[0]
        rows, shape = node.local(i), node.sources[i].value.shape
        if len(rows) == rows.shape[1] or np.any(np.sort(rows)[:, :-1]) or np.any(rows.max(1) != 1):
            return
        for axis in range(len(shape)):
            kept = (*shape[:axis], 1, *shape[axis + 1 :])
            if node.value.shape in (kept, (*shape[:axis], *shape[axis + 1 :])):

                def to_all(n, k, d, kept=kept):
                    return np.broadcast_to(np.reshape(d, kept), shape)

                words = f"dout at every entry that {node.line} chooses from"
                yield Change("mask-missing", words, node, gives(edges, to_all))

    def by_table(self, scene_of, places, node, made):
        """Changes for all that the table has for the scenes scene_of(*place, dout) at a node."""
        scene = scene_of(*places[0], self.gradients.get(node, 1.0))
        once = len(places) == 1 == node.value.size  # then all is a multiple of dout
        for mistake in TABLE:
            code = mistake.code
            if code in ELSEWHERE or code in BY_BATCH and node.value.size > 1:
                continue  # a loss alone is divided by N
            if code == "mask-from-upstream" and len(np.unique(np.sign(scene.dout))) == 1:
                continue  # it is no mask
            if code in ("derivative-missing", "derivative-twice") and scene.slope is not None:
                levels = len(np.unique(np.round(np.abs(scene.slope), 6)))
                if levels == 1 or levels == 2 and code == "derivative-twice":
                    code = "scaled"
                elif code == "derivative-missing" and scene.others:
                    code = "factor-missing"
            for words, numbers in mistake.predictions(scene).items():

                def hand_on(a, b, d, mistake=mistake, words=words, numbers=numbers):
                    if once:
                        return (
                            shaped(numbers, scene.true) * np.ravel(d)[0] / np.ravel(scene.dout)[0]
                        )
                    one = scene_of(a, b, d)
                    return shaped(mistake.predictions(one).get(words, np.nan), one.true)

                yield Change(code, f"{words} at {node.line}", node, made(places, hand_on))

    def stretches(self):
        """Lists of pairs (start, node): in each, the same stretch in every pass."""
        groups = defaultdict(list)
        for node in self.order:
            start = self.above.get(node)
            for _ in range(STRETCH if node.value.size > 1 else 2 * STRETCH):
                if start is None:
                    break
                if start is not node.sources[0] or len(node.sources) > 1:
                    if start.value.shape == node.value.shape or node.value.size == 1:
                        groups[start.site or start.name, node.site].append((start, node))
                start = self.above.get(start)
        return groups.values()

    def scene_of_stretch(self, start, node, dout):
        """A scene for what lies between two nodes."""
        true, unit = (
            self.walk({node: np.broadcast_to(d, node.value.shape)})[start] for d in (dout, 1.0)
        )
        entrywise = start.value.shape == node.value.shape and same(true, dout * unit, 1e-9)
        t = None
        if node.value.size == 1 and self.piece.t is not None:
            t = one_hot(self.piece.t, start.value, self.piece.axis)

        def out_at(x):
            return self.between(start, node, x)

        def slope_at(x):
            h = 1e-5
            return (out_at(x + h) - out_at(x - h)) / (2 * h)

        return Scene(
            "x", {"x": start.value}, {}, node.value, np.broadcast_to(dout, node.value.shape), true, unit,
            {"x": unit} if entrywise else {}, *((slope_at, out_at) if entrywise else (None, None)),
            t=t, axis=self.piece.axis,
        )  # fmt: skip

    def between(self, start, node, x):
        """What a node would be, were an earlier one x."""
        values = {start: x}
        for one in self.order[self.order.index(start) + 1 : self.order.index(node) + 1]:
            if any(source in values for source in one.sources):
                values[one] = one.again([values.get(s, s.value) for s in one.sources])
        return values[node]


ELSEWHERE = (
    "always-zero",
    "upstream-ignored",
    "scaled",
    "wrong-sign",
    "overwritten-at-fork",
    "whole-numbers",
)  # made here in other ways
BY_BATCH = ("missing-batch-division", "double-batch-division", "samples-as-columns")


PARTS = {
    "the output": lambda y: y,
    "1 - the output": lambda y: 1 - y,
    "1 + the output": lambda y: 1 + y,
}


def nothing(node, i, dout):
    return np.zeros(node.sources[i].value.shape)


def lost_code(node, i):
    """The name of what is lost where nothing comes back through a call."""
    source = node.sources[i]
    if node.entrywise and len(node.sources) == 2 and source.value.size < node.value.size:
        return (
            "statistics-constant"
            if comes_from(source, node.sources[1 - i])
            else "overwritten-at-fork"
        )
    one = len(node.sources) == 1 and not node.entrywise and not node.pair
    if one and node.value.size < source.value.size:
        partners = {one for user, _ in node.uses for one in user.sources}
        if source in partners and np.allclose(np.sum(node.local(i), axis=0), 1):
            return "softmax-diagonal"
        share = np.max(node.local(i), axis=1, initial=0.0)
        if np.allclose(np.sum(node.local(i), axis=1), 1):  # a mean, or a choice
            if np.all(share < 1):
                return "statistics-constant"
            if (
                source.value.ndim == 2
                and np.all(share == 1)
                and node.value.size == len(source.value)
            ):
                return "label-term-missing"
    return "overwritten-at-fork"


def comes_from(node, other):
    """Whether a node was made of the other one."""
    before = set(node.sources)
    while before and other not in before:
        before = {source for one in before for source in one.sources}
    return other in before


def shaped(made, true):
    made = np.asarray(made, np.float64)
    if made.size == true.size:
        return made.reshape(true.shape)
    return np.full(true.shape, made if made.size == 1 else np.nan)


def scene_of_edge(node, i, dout):
    """A scene for one source of a call."""
    keys = [s.name or f"v{k}" for k, s in enumerate(node.sources)]
    held = dict(zip(keys, (s.value for s in node.sources), strict=True))
    place, ones = keys[i], np.ones(node.value.shape)
    slopes = {key: node.local(k) for k, key in enumerate(keys)} if node.entrywise else {}
    alone = node.entrywise and len(node.sources) == 1
    inputs = {k: v for k, v in held.items() if k == place or k[0] == "v"}
    params = {k: v for k, v in held.items() if k not in inputs}
    return Scene(
        place, inputs, params, node.value, np.broadcast_to(dout, node.value.shape), node.back(i, dout),
        node.back(i, ones), slopes,
        *((lambda x: node.slope(i, x), lambda x: node.at(i, x)) if alone else (None, None)),
    )  # fmt: skip


# What the code claims, held against all of these.


class Trials:
    """The changes of the graph of a piece, and what each makes of the gradients."""

    def __init__(self, observation):
        piece, self.made, self.more = observation.piece, [], iter(())
        self.network, self.right, Node.spent = not piece.names, [], 0.0
        self.decays = observation.decays.keys()
        self.douts = (
            observation.douts[:1] if piece.pair else observation.douts
        )  # of a pair they are alike
        self.size = float(np.ravel(self.douts[0])[0]) if piece.pair else 1.0
        self.samples = {n: observation.samples(n)[: len(self.douts)] for n in observation.names}
        wrong = {n for n, some in self.samples.items() if not all(s.right for s in some)}
        try:
            self.graph = Graph(piece, self.samples)
            self.walks = [self.graph.right(dout / self.size) for dout in self.douts]
            self.right = [self.at_leaves(walk) for walk in self.walks]
            if self.belongs():
                self.more = (self.graph.changes(wrong, alone) for alone in (True, False))
        except NoGraph:
            pass

    def at_leaves(self, gradients):
        return {n: self.size * one for n, one in self.graph.at_leaves(gradients).items()}

    def grow(self):
        """Try more changes. What has been tried until the work becomes too much is of use."""
        try:
            for change in next(self.more, ()):
                if (off := tried(None, self.walked, change)) is not None:
                    self.keep(change, off)
        except NoGraph:
            self.more = iter(())

    def walked(self, change):
        return [self.at_leaves(self.graph.wrong(walk, change)) for walk in self.walks]

    def keep(self, change, off):
        made = [{n: r[n] + o[n] for n in r} for r, o in zip(self.right, off)]
        moved = [
            n
            for n in self.samples
            if any(not same(r[n], m[n], 1e-9) for r, m in zip(self.right, made))
        ]
        penalty = all(parallel(off[0][n], self.graph.leaves[n].value) for n in moved)
        if not penalty or not (self.network or self.decays):  # that has a name of its own
            self.made.append((change, made))

    def belongs(self):
        """Whether it is the graph of this code: the walk without a mistake gives what nudging finds."""
        return set(self.samples) <= set(self.right[0]) and all(
            same(s.visible(one[name]), s.visible(s.scene.true), 1e-5)
            for name, some in self.samples.items()
            for s, one in zip(some, self.right, strict=False)
        )

    def explain(self, wrong, look):
        """name -> suspects, from the changes that give what the code claims."""
        found, left = {}, dict(wrong)
        if not self.made:
            self.grow()
        while left:
            best = None
            for suspect, made, change in look(self, left):
                names, clean = self.outcome(made, left)
                whole = clean and len(names) == len(left)
                key = whole, clean, len(names), suspect.also is None, -RANK[suspect.code]
                if names and (best is None or key > best[0]):
                    best = key, suspect, names, change
            if best is None:
                before = len(self.made)
                self.grow()
                if len(self.made) == before:
                    break
                continue
            (_, clean, *_), suspect, names, change = best
            at = {target.name for target in change.targets}
            if self.network and clean and not at & set(names):
                where = "loss" if change.at.value.size == 1 else change.at.layer
                suspect = replace(suspect, where=where)
            for name in names:  # what is spoilt further on has no mistake of its own
                own = name == names[0] or name in at or not clean
                found[name] = [suspect] if own else []
                left.pop(name)
        return found

    def outcome(self, gradients, left):
        """The names among `left` that these gradients explain, and whether all others stay as they are
        claimed."""
        names = [
            name
            for name in left
            if len(self.samples[name]) == len(gradients)
            and all(s.explained_by(g[name]) for s, g in zip(self.samples[name], gradients))
        ]
        others = [name for name in self.samples if name not in names] if names else ()
        pairs = list(zip(gradients, self.right))
        return names, all(same(g[n], r[n], 1e-6) for g, r in pairs for n in others)


def parallel(a, b):
    return a.size > 2 and np.any(b) and same(a, np.vdot(a, b) / np.vdot(b, b) * b, 1e-6)


def as_it_is(trials, left):
    for change, made in trials.made:
        yield Suspect(change.code, change.words), made, change


def nearly(trials, left):
    """Suspects by which a part of the gradient has another factor, or all of a wrong one."""
    right, samples = trials.right, trials.samples
    for change, made in trials.made:
        ways = [("{}, {:.5g} times,", [{n: 0 * g for n, g in one.items()} for one in made], made)]
        if change.lost:
            parts = [{n: r[n] - m[n] for n in r} for r, m in zip(right, made, strict=True)]
            ways.append(("{1:.4g} times what comes back through {2}", made, parts))
        for (words, base, parts), name in product(ways, left):
            if len(samples[name]) != len(made) or not all(s.shaped for s in samples[name]):
                continue
            part, rest = (
                np.concatenate(
                    [np.ravel(s.visible(g)) for s, g in zip(samples[name], some, strict=True)]
                )
                for some in (
                    [p[name] for p in parts],
                    [s.claim - b[name] for s, b in zip(samples[name], base)],
                )
            )
            c = float(part @ rest / (part @ part)) if np.count_nonzero(part) > 2 else 0.0
            if abs(c) < 1e-9 or np.linalg.norm(rest - c * part) > 1e-4 * np.linalg.norm(rest):
                continue
            code = "wrong-sign" if abs(c + 1) < 1e-5 else "scaled"
            both = {"code": change.code, "also": code} if parts is made else {"code": code}
            whole = [{n: b[n] + c * p[n] for n in b} for b, p in zip(base, parts, strict=True)]
            told = words.format(change.words, c, change.at.line)
            yield Suspect(words=told, **both), whole, change


EXACTLY, NEARLY = as_it_is, nearly
