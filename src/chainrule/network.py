"""A network is an ordered list of layers with a loss at its end.

Forward goes through the list, backward goes through the same list reversed. That is all there is to
it, and `gradcheck`, which you may read next, proves it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from operator import is_ as is_same

import numpy as np

from chainrule.layers import Affine, ReLU, Sigmoid
from chainrule.losses import SoftmaxWithLoss, class_indices
from chainrule.nodes import is_count
from chainrule.numeric import check_nudge, check_step, nudged


class Network:
    """Layers by name, in order, and a loss.

    layers   an OrderedDict (or a dict), name -> layer; it stays live, so an entry may be replaced
    loss     a loss such as SoftmaxWithLoss()

    Parameters and gradients are dicts keyed "Affine1.W". They hold the layers' own arrays.
    """

    latest = 0  # the number of the latest forward pass of any network
    passes = {}  # the id of a layer -> the number of the last pass that went through it

    def __init__(self, layers, loss):
        if not isinstance(layers, Mapping):
            raise TypeError(f"Network wants a dict of layers, got {type(layers).__name__}")
        self.layers = layers if isinstance(layers, dict) else OrderedDict(layers)
        self.loss_layer = loss
        self.checked = None
        self.run, self.can_go_back = 0, False
        self.check_layers()

    def check_layers(self):
        """TypeError or ValueError unless every layer, and the loss, can go forward and backward."""
        now = [*self.layers.values(), self.loss_layer]
        if self.checked is not None and all(map(is_same, now, self.checked)):
            return
        for name in self.layers:
            if not isinstance(name, str) or name in ("", *TAKEN):
                raise ValueError(
                    f"Network wants each name of a layer as a text other than {TAKEN}, got {name!r}"
                )
        for name, layer in [*self.layers.items(), ("the loss", self.loss_layer)]:
            if isinstance(layer, type) or not (
                callable(getattr(layer, "forward", None))
                and callable(getattr(layer, "backward", None))
            ):
                raise TypeError(f"Network: layer {name!r} has no forward and backward: {layer!r}")
        if len(set(map(id, now))) < len(now):
            raise ValueError("a layer object stands twice in the network; it remembers one input")
        check_params(self.layers)
        self.checked = now

    def forward_steps(self, x, t=None):
        """Yield (name, output) after each layer; with targets t, ("loss", loss) at the end."""
        run = self.begin()
        for name, layer in self.layers.items():
            x = layer.forward(x)
            yield name, x
            self.check_run(run)
        if t is not None:
            loss = self.loss_layer.forward(x, t)
            self.can_go_back = True
            yield "loss", loss

    def begin(self):
        """Start a forward pass: from here on the layers remember this one. Returns its number."""
        self.check_layers()
        Network.latest = self.run = Network.latest + 1
        Network.passes.update(dict.fromkeys(map(id, self.checked), self.run))
        self.can_go_back = False
        return self.run

    def check_run(self, run):
        """RuntimeError if another forward pass began while somebody looked in at this one."""
        if self.run != run:
            raise RuntimeError(
                "Network: another pass has begun since these steps did, and a layer remembers one "
                "input; ask for the steps again"
            )

    def check_memory(self):
        """RuntimeError unless every layer still remembers what this network last computed."""
        if not self.can_go_back or [*self.layers.values(), self.loss_layer] != self.checked:
            raise RuntimeError(
                "Network.backward goes back from a loss: call loss(x, t) just before"
            )
        used = map(Network.passes.get, map(id, self.checked))
        if Network.latest != self.run and any(last != self.run for last in used):
            raise RuntimeError(
                "Network.backward: another network has used a layer of this one since the loss, "
                "and a layer remembers one input; call loss(x, t) again"
            )

    def backward_steps(self, dout=1.0, want_dx=True):
        """Yield ("seed", dout), then ("loss", dx) and (name, dx) for each layer, last one first.

        want_dx   False spares the first layer its dx, if it knows how to: nothing uses the gradient
                  of the images, and for 784-50-10 it takes a third of all the multiplications
        """
        self.check_memory()
        run = self.run
        yield "seed", dout
        self.check_run(run)
        dout = self.loss_layer.backward(dout)
        yield "loss", dout
        to_go = len(self.layers)
        for name, layer in reversed(self.layers.items()):
            self.check_run(run)
            to_go -= 1
            if want_dx or to_go or not takes_want_dx(layer.backward):
                dout = layer.backward(dout)
            else:
                dout = layer.backward(dout, want_dx=False)
            yield name, dout

    def predict(self, x):
        """The scores for x (N, D), an array (N, C)."""
        scores = x
        for _, out in self.forward_steps(x):
            scores = out
        return scores

    def loss(self, x, t):
        """The loss of x against the targets t, one number."""
        if t is None:
            raise TypeError("Network.loss wants the targets t, got None")
        *_, (_, loss) = self.forward_steps(x, t)
        return loss

    def backward(self, dout=1.0):
        """The gradient of the loss just computed, for every parameter, by backpropagation."""
        spare = {"want_dx": False} if takes_want_dx(self.backward_steps) else {}
        for _ in self.backward_steps(dout, **spare):
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
            check_nudge(array, h, f"Network.numerical_gradient: {key}")
            if not array.flags.writeable:
                raise TypeError(f"Network.numerical_gradient moves {key} in place, it is read-only")
        for key, array in self.params.items():
            gradients[key] = np.zeros_like(array)
            for index, above, below in nudged(array, h, lambda: self.loss(x, t)):
                gradients[key][index] = (above - below) / (2 * h)
        return gradients

    def accuracy(self, x, t):
        """The share of x (N, D) whose largest score is at the right class; t indices or one-hot."""
        scores = self.predict(x)
        if np.isnan(scores).any():
            raise ValueError("accuracy: the scores hold NaN, which has no largest class")
        right = class_indices(t, scores, "accuracy")
        return float(np.mean(scores.argmax(axis=-1) == right))

    @property
    def params(self):
        return self.collect("params")

    def collect(self, kind):
        return {
            name + "." + key: array
            for name, layer in self.layers.items()
            for key, array in getattr(layer, kind, {}).items()
        }


TAKEN = ("x", "t", "loss", "seed")  # what walks and traces call other things


def check_params(layers):
    """TypeError or ValueError unless params are dicts, and no array stands in two places."""
    owner = {}
    for name, layer in layers.items():
        params = getattr(layer, "params", {})
        if not isinstance(params, Mapping):
            raise TypeError(f"Network: layer {name!r} wants a dict of params, got {params!r}")
        for key, array in params.items():
            place = f"{name}.{key}"
            if isinstance(array, np.ndarray) and owner.setdefault(id(array), place) != place:
                raise ValueError(
                    f"Network: {owner[id(array)]} and {place} are one array; an update of the one "
                    "would move the other: give each its own copy"
                )


def takes_want_dx(backward):
    """Whether this very method takes `want_dx`; one that a reader wrote in its place need not."""
    code = getattr(getattr(backward, "__wrapped__", backward), "__code__", None)
    return code is not None and "want_dx" in code.co_varnames[: code.co_argcount]


def two_layer_net(D, H, C, rng, activation="relu"):
    """D inputs, H hidden units, C classes: Affine1, ReLU1 or Sigmoid1, Affine2, softmax with loss."""
    for name, size in {"D": D, "H": H, "C": C}.items():
        if not is_count(size) or size < 1:
            raise ValueError(f"two_layer_net wants a positive whole number {name}, got {size!r}")
    if not isinstance(activation, str) or activation not in ("relu", "sigmoid"):
        raise ValueError(f'activation is "relu" or "sigmoid", got {activation!r}')
    relu = activation == "relu"
    layers = OrderedDict()
    layers["Affine1"] = Affine.init(D, H, rng, "he" if relu else "xavier")
    layers["ReLU1" if relu else "Sigmoid1"] = ReLU() if relu else Sigmoid()
    layers["Affine2"] = Affine.init(H, C, rng, "he" if relu else "xavier")
    return Network(layers, SoftmaxWithLoss())
