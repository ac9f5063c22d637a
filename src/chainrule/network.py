"""A network is an ordered list of layers with a loss at its end.

Forward goes through the list, backward goes through the same list reversed. That is all there is to
it. Read `gradcheck` next: it tests this.
"""

from collections import OrderedDict

import numpy as np

from chainrule.guards.losses import right_classes
from chainrule.guards.network import Model, Parameters, check_two_layers, npz, saved_arrays
from chainrule.guards.numbers import door
from chainrule.layers import Affine, ReLU, Sigmoid
from chainrule.losses import SoftmaxWithLoss
from chainrule.numeric import slopes


class Network(Model):
    """Layers by name, in order, and a loss.

    layers   an OrderedDict (or a dict), name -> layer; it stays live, so an entry may be replaced.
             A list of layers gets the names Affine1, ReLU1, Affine2, ...
    loss     a loss such as SoftmaxWithLoss()

    Parameters and gradients are dicts keyed "Affine1.W". They hold the layers' own arrays.
    """

    def __init__(self, layers, loss):
        self.layers, self.loss_layer = layers, loss

    def forward_steps(self, x, t=None):
        """Yield (name, output) after each layer; with targets t, ("loss", loss) at the end."""
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
        out = x
        for _, out in self.forward_steps(x):
            pass
        return out

    def loss(self, x, t):
        """The loss of x against the targets t, one number."""
        for _, loss in self.forward_steps(x, t):
            pass
        return loss

    def backward(self, dout=1.0):
        """The gradient of the loss just computed, times dout, for every parameter, by backpropagation."""
        for _ in self.backward_steps(dout):
            pass
        return self.collect("grads")

    def gradient(self, x, t):
        """The gradient of the loss by every parameter: forward once, backward once."""
        self.loss(x, t)
        return self.backward()

    def numerical_gradient(self, x, t, h=1e-5):
        """The same, by nudging every number of every parameter: two forward passes each. For checking only."""
        return {
            key: slopes(lambda: self.loss(x, t), array, h) for key, array in self.params.items()
        }

    def accuracy(self, x, t):
        """The share of x (N, D) whose largest score is at the right class; t indices or one-hot."""
        scores = self.predict(x)
        right = scores.argmax(axis=-1) == right_classes(t, scores)
        return float(np.mean(right))

    @property
    def params(self):
        return Parameters(self.layers, self.collect("params"))

    def collect(self, kind):
        """The arrays in every layer's `params` or `grads`, by layer and name: "Affine1.W"."""
        return {
            f"{name}.{key}": array
            for name, layer in self.layers.items()
            for key, array in (getattr(layer, kind, None) or {}).items()
        }

    def save(self, path):
        """Write all parameters, and what layers count besides, into one file; its name ends in .npz, or gets that ending."""
        np.savez(npz(path), **self.kept)

    def load(self, path):
        """Read the parameters that `save` wrote; shapes and names have to be the same."""
        self.kept.take(saved_arrays(path))


def two_layer_net(D, H, C, rng, activation="relu") -> Network:
    """D inputs, H hidden units, C classes: Affine1, ReLU1 or Sigmoid1, Affine2, softmax with loss."""
    Activation, scale = (ReLU, "he") if activation == "relu" else (Sigmoid, "xavier")
    layers = OrderedDict()
    layers["Affine1"] = Affine.init(D, H, rng, scale)
    layers[f"{Activation.__name__}1"] = Activation()
    layers["Affine2"] = Affine.init(H, C, rng, scale)
    return Network(layers, SoftmaxWithLoss())


two_layer_net = door(check_two_layers, two_layer_net)
