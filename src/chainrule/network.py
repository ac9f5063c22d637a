"""A network is an ordered list of layers with a loss at its end.

Forward goes through the list, backward goes through the same list reversed. That is all there is to
it, and `gradcheck`, which you may read next, proves it.
"""

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np

from chainrule.layers import Affine, ReLU, Sigmoid
from chainrule.losses import SoftmaxWithLoss
from chainrule.numeric import check_step, nudged


class Network:
    """Layers by name, in order, and a loss.

    layers   an OrderedDict, name -> layer; it stays live, so an entry may be replaced
    loss     a loss such as SoftmaxWithLoss()

    Parameters and gradients are dicts keyed "Affine1.W". They hold the layers' own arrays.
    """

    def __init__(self, layers, loss):
        if not isinstance(layers, Mapping):
            raise TypeError(f"Network wants a dict of layers, got {type(layers).__name__}")
        self.layers = layers if isinstance(layers, OrderedDict) else OrderedDict(layers)
        self.loss_layer = loss
        self.check_layers()

    def check_layers(self):
        for name, layer in self.layers.items():
            if not (hasattr(layer, "forward") and hasattr(layer, "backward")):
                raise TypeError(f"layer {name!r} has no forward and backward: {layer!r}")
        if len(set(map(id, self.layers.values()))) < len(self.layers):
            raise ValueError("a layer object stands twice in the network; it remembers one input")

    def forward_steps(self, x, t=None):
        """Yield (name, output) after each layer; with targets t, ("loss", loss) at the end."""
        self.check_layers()
        for name, layer in self.layers.items():
            x = layer.forward(x)
            yield name, x
        if t is not None:
            yield "loss", self.loss_layer.forward(x, t)

    def backward_steps(self, dout=1.0):
        """Yield ("seed", dout), then ("loss", dx) and (name, dx) for each layer, last one first."""
        yield "seed", dout
        dout = self.loss_layer.backward(dout)
        yield "loss", dout
        for name, layer in reversed(self.layers.items()):
            dout = layer.backward(dout)
            yield name, dout

    def predict(self, x):
        """The scores for x (N, D), an array (N, C)."""
        scores = x
        for _, out in self.forward_steps(x):
            scores = out
        return scores

    def loss(self, x, t):
        """The loss of x against the targets t, one number."""
        *_, (_, loss) = self.forward_steps(x, t)
        return loss

    def backward(self, dout=1.0):
        """The gradient of the loss just computed, for every parameter, by backpropagation."""
        for _ in self.backward_steps(dout):
            pass
        return self.collect("grads")

    def gradient(self, x, t):
        """The gradient of the loss by every parameter: forward once, backward once."""
        self.loss(x, t)
        return self.backward()

    def numerical_gradient(self, x, t, h=1e-5):
        """The same, by nudging every parameter: two forward passes each. For checking only."""
        check_step(h)
        gradients = {}
        for key, array in self.params.items():
            gradients[key] = np.zeros_like(array)
            for index, above, below in nudged(array, h, lambda: self.loss(x, t)):
                gradients[key][index] = (above - below) / (2 * h)
        return gradients

    def accuracy(self, x, t):
        """The share of x (N, D) whose largest score is at the right class; t indices or one-hot."""
        scores = self.predict(x)
        t = np.asarray(t)
        right = t.argmax(axis=-1) if t.shape == scores.shape else t
        if right.shape != scores.shape[:-1]:
            raise ValueError(f"accuracy: t {t.shape} does not fit the scores {scores.shape}")
        return float(np.mean(scores.argmax(axis=-1) == right))

    @property
    def params(self):
        return self.collect("params")

    def collect(self, kind):
        return {
            f"{name}.{key}": array
            for name, layer in self.layers.items()
            for key, array in getattr(layer, kind, {}).items()
        }


def two_layer_net(D, H, C, rng, activation="relu"):
    """D inputs, H hidden units, C classes: Affine1, ReLU1 or Sigmoid1, Affine2, softmax with loss."""
    if activation not in ("relu", "sigmoid"):
        raise ValueError(f'activation is "relu" or "sigmoid", got {activation!r}')
    relu = activation == "relu"
    layers = OrderedDict()
    layers["Affine1"] = Affine.init(D, H, rng, "he" if relu else "xavier")
    layers["ReLU1" if relu else "Sigmoid1"] = ReLU() if relu else Sigmoid()
    layers["Affine2"] = Affine.init(H, C, rng, "he" if relu else "xavier")
    return Network(layers, SoftmaxWithLoss())
