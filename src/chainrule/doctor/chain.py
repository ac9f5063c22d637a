"""A chain: layers one after another whose backward is right, and the same with one mistake put in.

Where the code under test is a whole, a network with a `gradient` written by hand or a layer that does
two things at once, a chain of our own layers with the same numbers stands beside it. Each known mistake
is put at each place of the chain in turn, and shows what the whole would have claimed then.
"""

import copy

import numpy as np

from chainrule.doctor.copies import layers_of, params_of, private_copy
from chainrule.doctor.pieces import one_hot
from chainrule.guards.numbers import sum_to
from chainrule.layers import Affine, ReLU, Sigmoid, Tanh
from chainrule.mistakes import TABLE
from chainrule.scenes import Scene, constant_in_log, same, softmax_along

NEAR = 1e-6  # how near the chain's numbers must come to those of the code under test
GATES = (ReLU, Sigmoid, Tanh)


class End:
    """A loss as a formula of the scores a (N, C): the one that gives this number, if there is one."""

    kind, constant = None, 0.0

    def __init__(self, a, t, loss):
        hot = one_hot(t, a)
        if hot is None:
            column = np.reshape(t, (-1, 1)) if np.size(t) == len(a) else None
            hot = column if column is not None and a.shape == (len(a), 1) else None
        if hot is None:
            return
        self.t = hot
        for factor in (0.5, 1.0):
            for N in (len(a), 1, a.size):
                if abs(factor * np.sum((a - hot) ** 2) / N - loss) <= 1e-9 * (1 + abs(loss)):
                    self.kind, self.N, self.factor = "squares", N, factor
                    return
        for kind in ("softmax", "sigmoid"):
            y = self.squash(a, kind)
            pairs = [(hot, y)] if kind == "softmax" else [(hot, y), (1 - hot, 1 - y)]
            found = constant_in_log(loss, pairs, [len(a), 1, a.size])
            if found and not (kind == "softmax" and a.shape[1] == 1):
                self.kind, (self.N, self.constant) = kind, found
                return

    @staticmethod
    def squash(a, kind):
        return softmax_along(a, -1) if kind == "softmax" else 1 / (1 + np.exp(-a))

    def forward(self, a, t):
        self.a = a
        if self.kind == "squares":
            return self.factor * np.sum((a - self.t) ** 2) / self.N
        y, c = self.squash(a, self.kind), self.constant
        value = -np.sum(self.t * np.log(y + c))
        return (
            value - np.sum((1 - self.t) * np.log(1 - y + c)) * (self.kind == "sigmoid")
        ) / self.N

    def backward(self, dout=1.0):
        if self.kind == "squares":
            return dout * 2 * self.factor * (self.a - self.t) / self.N
        y, t, c = self.squash(self.a, self.kind), self.t, self.constant
        if c == 0:
            return dout * (y - t) / self.N
        if self.kind == "sigmoid":
            return dout * ((1 - t) / (1 - y + c) - t / (y + c)) * y * (1 - y) / self.N
        u = -t / (y + c)
        return dout * y * (u - np.sum(u * y, axis=1, keepdims=True)) / self.N


class Chain:
    """Layers by name, from x to a loss, or to `dout` where there is none.

    layers  name -> layer, in order
    keys    (name of layer, "W" or "b") -> the name and whether it is transposed in the code under test
    decay   each W adds decay / 2 times the sum of its squares to the loss
    """

    def __init__(self, layers, keys, loss=None, decay=0.0):
        self.layers, self.keys, self.loss, self.decay = layers, keys, loss, decay

    def run(self, x, t=None, dout=None):
        """Forward, then backward, and everything seen on the way is kept."""
        self.inputs, self.outs, self.douts, self.t = {}, {}, {}, t
        for name, layer in self.layers.items():
            self.inputs[name] = x
            x = self.outs[name] = layer.forward(x)
        self.scores = x
        if self.loss is not None:
            self.value = self.loss.forward(x, t)
            dout = self.loss.backward(1.0)
        self.gradients = self.back(list(self.layers), dout, self.douts)
        return self

    def back(self, names, dout, kept=None):
        """Gradients by the names of the code under test, from `dout` after the last of `names`."""
        gradients = {}
        for name in reversed(names):
            if kept is not None:
                kept[name] = dout
            dx = self.layers[name].backward(dout)
            for key, gradient in (getattr(self.layers[name], "grads", None) or {}).items():
                gradients |= self.renamed(name, key, gradient)
            dout = dx
        return gradients | {"x": dout}

    def renamed(self, name, place, gradient):
        key, turned = self.keys.get((name, place), (f"{name}.{place}", False))
        if self.decay and place == "W":
            gradient = gradient + self.decay * self.layers[name].params["W"]
        return {key: np.transpose(gradient) if turned else gradient}

    def with_mistakes(self):
        """(code, words, where, gradients) for each known mistake at each place of the chain."""
        names = list(self.layers)
        if self.loss is not None:
            for code, words, made in mistakes_at(self.loss_scene()):
                yield code, words, "loss", self.back(names, made)
        for position, name in enumerate(names):
            for scene in self.scenes(name):
                for code, words, made in mistakes_at(scene):
                    if scene.place == "x":
                        yield code, words, name, self.gradients | self.back(names[:position], made)
                    else:
                        one = self.renamed(name, scene.place, made)
                        yield code, words, next(iter(one)), self.gradients | one

    def loss_scene(self):
        a = np.asarray(self.scores, dtype=np.float64)
        t = getattr(self.loss, "t", None) if isinstance(self.loss, End) else one_hot(self.t, a)
        true = self.loss.backward(1.0)
        return Scene("x", {"x": a}, {}, np.array(self.value), np.array(1.0), true, true, t=t)

    def scenes(self, name):
        """A scene for the input of a layer and one for each of its parameters."""
        layer, x, out, dout = (
            one[name] for one in (self.layers, self.inputs, self.outs, self.douts)
        )
        unit = {"x": layer.backward(np.ones_like(out)), **copied(layer)}
        true = {"x": layer.backward(dout), **copied(layer)}
        params = dict(params_of(layer))
        entrywise = not params and same(true["x"], dout * unit["x"], 1e-12)
        slopes = {"x": unit["x"]} if entrywise else {}
        slopes |= {k: np.ones_like(out) for k, b in params.items() if is_bias(b, dout, true[k])}
        functions = elsewhere(layer) if entrywise else (None, None)
        for place in true:
            seen = true[place], unit[place], slopes, *functions
            yield Scene(place, {"x": x}, params, out, dout, *seen)


def copied(layer):
    return {key: np.array(g) for key, g in (getattr(layer, "grads", None) or {}).items()}


def is_bias(b, dout, gradient):
    """Whether the parameter b is added to each row: its gradient is the sum of the rows of dout."""
    fits = np.ndim(b) <= dout.ndim and np.shape(b)[-1:] == dout.shape[-1:]
    return fits and same(sum_to(dout, np.shape(b)), gradient, 1e-12)


def elsewhere(layer):
    """The local derivative and the output at another x, for a layer that works entry by entry."""

    def out_at(x):
        return copy.deepcopy(layer).forward(x)

    def slope_at(x):
        twin = copy.deepcopy(layer)
        return twin.backward(np.ones_like(twin.forward(x)))

    return slope_at, out_at


def mistakes_at(scene):
    """(code, words, gradient) of every mistake that would change the gradient of a scene."""
    for mistake in TABLE:
        for words, gradient in mistake.predictions(scene).items():
            gradient = np.asarray(gradient, dtype=np.float64)
            if gradient.size == 1 and gradient.shape != scene.true.shape:
                gradient = np.broadcast_to(gradient.reshape(()), scene.true.shape)
            tolerance = 0 if mistake.code == "log-constant" else 1e-9
            if gradient.shape == scene.true.shape and not same(gradient, scene.true, tolerance):
                yield mistake.code, words, gradient


def loss_of(network):
    names = ("loss_layer", "lastLayer", "last_layer", "loss_fn", "criterion")
    candidates = (getattr(network, name, None) for name in names)
    return next(
        (one for one in candidates if hasattr(one, "forward") and hasattr(one, "backward")), None
    )


def own_chain(network, names, x, t, value):
    """The network's own layers as a chain; None where they do not give its loss and what `names` names."""
    twin = private_copy(network)
    layers, loss = layers_of(twin), loss_of(twin)
    try:
        chain = Chain(layers, {}, loss).run(np.array(x, np.float64), t)
        fits = layers and abs(chain.value - value) <= 1e-9 * (1 + abs(value))
        return chain if fits and set(names) <= set(chain.gradients) else None
    except Exception:
        return None


def chain_of_layer(params, x, out):
    """The chain for a layer that is an affine layer with an activation behind it, or None."""
    for found in affine_layers(params, x):
        for kind in GATES if len(found) == 1 else ():
            chain = assemble(found, kind, kind)
            if same(chain.run(x, dout=np.ones_like(out)).scores, out, NEAR):
                return chain
    return None


def chain_of_network(params, x, t, loss, decay=0.0):
    """The chain for a network that is affine layers with one kind of activation between, or None.

    Samples may be rows or columns, the last layer may have an activation or none, and the loss may be
    any that `End` knows.
    """
    t, chains = np.asarray(t), []
    ways = ((x, t), (x.T, t.T)) if x.ndim == 2 else ()
    for x, t in ways:
        for found in affine_layers(params, x):
            squares = sum(np.sum(W**2) for _, _, W, _, _ in found)
            for kind, end in ((k, e) for k in GATES for e in (None, Sigmoid, Tanh)):
                chain = assemble(found, kind, end)
                scores = x
                for layer in chain.layers.values():
                    scores = layer.forward(scores)
                scores = np.atleast_2d(scores)
                chain.loss = End(scores, t, loss - decay / 2 * squares)
                if chain.loss.kind is not None:
                    chain.decay = decay
                    chains.append((chain.loss.constant > 1e-5, len(chains), chain, x, t))
    if chains:  # a constant can make many a loss out of another, so one without is likelier
        _, _, chain, x, t = min(chains, key=lambda one: one[:2])
        return chain.run(x, t)
    return None


def affine_layers(params, x):
    """Yield [(key of W, transposed, W, key of b, b)] for each way in which the shapes of `params`
    make affine layers one after another, from x (N, D) on."""
    if x.ndim not in (1, 2):
        return
    for turned in (False, True):
        found, width, left = [], x.shape[-1], dict(params)
        for key, W in params.items():
            if key not in left or np.ndim(W) != 2:
                continue
            fits = W.shape[0] == width, W.shape[1] == width
            flip = fits[1] and (turned or not fits[0])
            if min(W.shape) == 1 and not any(fits):
                continue  # a bias (1, M) or (M, 1)
            if not (fits[0] or flip):
                break
            left.pop(key)
            W = W.T if flip else W
            width = W.shape[1]
            bias = next((k for k, b in left.items() if is_vector(b, width)), None)
            b = np.zeros(width) if bias is None else np.ravel(left.pop(bias))
            found.append((key, flip, W, bias, b))
        if found and not left:
            yield found


def assemble(found, kind, end):
    """The chain of these affine layers, with activations of one kind between and `end` at the end."""
    layers, keys = {}, {}
    for i, (key, turned, W, bias, b) in enumerate(found, 1):
        layers[f"Affine{i}"] = Affine(W, b)
        keys[f"Affine{i}", "W"] = key, turned
        keys[f"Affine{i}", "b"] = bias, False
        gate = kind if i < len(found) else end
        if gate is not None:
            layers[f"{gate.__name__}{i}"] = gate()
    return Chain(layers, keys)


def is_vector(b, width):
    return np.size(b) == width and (np.ndim(b) == 1 or 1 in np.shape(b)[:2] and np.ndim(b) == 2)
