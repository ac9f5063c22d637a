"""A chain: layers one after another whose backward is right, and the same with one mistake put in.

Where the code under test is a whole, a network with a `gradient` written by hand or a layer that does
two things at once, a chain of our own layers with the same numbers stands beside it. Each known mistake
is put at each place of the chain in turn, and shows what the whole would have claimed then.
"""

import copy

import numpy as np

from chainrule.doctor.probe import one_hot, params_of
from chainrule.guards.numbers import sum_to
from chainrule.layers import Affine, ReLU, Sigmoid, Tanh
from chainrule.losses import IdentityWithLoss, SoftmaxWithLoss
from chainrule.mistakes import TABLE, Scene, same

NEAR = 1e-6  # a loss with a small number added in its log still counts as the same
GATES = (ReLU, Sigmoid, Tanh)


class Chain:
    """Layers by name, from x to a loss, or to `dout` where there is none.

    layers  name -> layer, in order
    keys    (name of layer, "W" or "b") -> the name and whether it is transposed in the code under test
    """

    def __init__(self, layers, keys, loss=None):
        self.layers, self.keys, self.loss = layers, keys, loss

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
            for key, gradient in getattr(self.layers[name], "grads", {}).items():
                gradients |= self.renamed(name, key, gradient)
            dout = dx
        return gradients | {"x": dout}

    def renamed(self, name, key, gradient):
        key, turned = self.keys.get((name, key), (f"{name}.{key}", False))
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
        t = one_hot(self.t, a)
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
    return {key: np.array(g) for key, g in getattr(layer, "grads", {}).items()}


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
            if gradient.shape == scene.true.shape and not same(gradient, scene.true, 1e-9):
                yield mistake.code, words, gradient


def chain_of_layer(params, x, out):
    """The chain for a layer that is an affine layer with an activation behind it, or None."""
    for found in affine_layers(params, x):
        for kind in GATES if len(found) == 1 else ():
            chain = assemble(found, kind, at_the_end=True)
            if same(chain.run(x, dout=np.ones_like(out)).scores, out, NEAR):
                return chain
    return None


def chain_of_network(params, x, t, loss):
    """The chain for a network that is affine layers with one kind of activation between, or None."""
    for found in affine_layers(params, x):
        for kind in GATES:
            for end in (SoftmaxWithLoss, IdentityWithLoss):
                chain = assemble(found, kind, at_the_end=False)
                chain.loss = end()
                try:
                    chain.run(x, t)
                except (ValueError, TypeError):  # these targets do not go with this loss
                    continue
                if abs(chain.value - loss) <= NEAR * (1 + abs(loss)):
                    return chain
    return None


def affine_layers(params, x):
    """Yield [(key of W, transposed, W, key of b, b)] for each way in which the shapes of `params`
    make affine layers one after another, from x (N, D) on."""
    if x.ndim not in (1, 2):
        return
    for turned in (False, True):
        found, width, left = [], x.shape[-1], dict(params)
        for key, W in params.items():
            if np.ndim(W) != 2 or (len(W) == 1 and width > 1):  # no matrix, or a bias (1, M)
                continue
            fits = W.shape[0] == width, W.shape[1] == width
            flip = fits[1] and (turned or not fits[0])
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


def assemble(found, kind, at_the_end):
    layers, keys = {}, {}
    for i, (key, turned, W, bias, b) in enumerate(found, 1):
        layers[f"Affine{i}"] = Affine(W, b)
        keys[f"Affine{i}", "W"] = key, turned
        keys[f"Affine{i}", "b"] = bias, False
        if at_the_end or i < len(found):
            layers[f"{kind.__name__}{i}"] = kind()
    return Chain(layers, keys)


def is_vector(b, width):
    return np.size(b) == width and (np.ndim(b) == 1 or np.shape(b) == (1, width))
