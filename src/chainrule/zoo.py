"""The zoo: networks and layers with one mistake each, bred from the package's own parts.

Chapter 11 has the networks; the animals of Part II are single layers, such as `zoo.ForgetsTheFactor`.
"""

from dataclasses import dataclass

import numpy as np

from chainrule.guests import Attention, BatchNorm, Conv2D, Dropout
from chainrule.guests.attention import as_rows
from chainrule.guests.convolution import cropped, views
from chainrule.layers import Affine, ReLU, Sigmoid
from chainrule.losses import SoftmaxWithLoss, softmax
from chainrule.network import two_layer_net


class SumsEverything(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["b"] = dout.sum()
        return dx


class AveragesTheBias(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        rows = np.atleast_2d(dout)
        db = rows.mean(axis=0)
        self.grads["b"] = db
        return dx


class TakesTheFirstRow(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["b"] = np.atleast_2d(dout)[0].copy()
        return dx


class UpdatesEarly(Affine):
    """Changes W before it hands the gradient back, so that dx goes through the new W.

    lr   the learning rate of the update, 0 where none is made, as in any check of gradients. The
         optimizer makes the update that counts, with the same lr; this is only what dx sees of it.
    """

    lr = 0.0

    def backward(self, dout):
        super().backward(dout)
        return dout @ (self.W - self.lr * self.grads["W"]).T


class ForgetsTheMask(ReLU):
    def backward(self, dout):
        return dout.copy()


class InvertsTheMask(ReLU):
    def backward(self, dout):
        return dout * ~self.mask


class MasksByUpstream(ReLU):
    def backward(self, dout):
        return dout * (dout > 0)


class ForgetsTheDerivative(Sigmoid):
    def backward(self, dout):
        return dout.copy()


class DerivesTwice(Sigmoid):
    def backward(self, dout):
        return super().backward(dout) * self.y * (1 - self.y)


class NeverDivides(SoftmaxWithLoss):
    def backward(self, dout=1.0):
        return dout * (self.y - self.t)


class DividesTwice(SoftmaxWithLoss):
    def backward(self, dout=1.0):
        da = super().backward(dout)
        N = len(np.atleast_2d(self.y))
        return da / N


class NormalisesTheBatch(SoftmaxWithLoss):
    def forward(self, a, t):
        loss = super().forward(a, t)
        self.y = softmax(np.ravel(a)).reshape(np.shape(a))
        return loss


@dataclass(frozen=True)
class Specimen:
    """One animal of the zoo: a two-layer network with a mistake in it.

    name        as the chapter calls it
    cause       its code in the table; None for the update made too early, which is no wrong gradient
    parts       the classes with the mistake, by the name of the class that each stands in for
    activation  of the network, "relu" or "sigmoid"
    """

    name: str
    cause: str | None
    parts: dict
    activation: str = "relu"

    def network(self, D, H, C, rng):
        """The network: D inputs, H hidden units, C classes. Only the mistake differs from
        `two_layer_net`: the same rng gives the same weights."""
        network = two_layer_net(D, H, C, rng, self.activation)
        for name, layer in network.layers.items():
            if name in self.parts or type(layer).__name__ in self.parts:
                kind = self.parts.get(name) or self.parts[type(layer).__name__]
                network.layers[name] = kind(**layer.params)
        network.loss_layer = self.parts.get("SoftmaxWithLoss", SoftmaxWithLoss)()
        return network


#: The twelve networks of chapter 11, a list of `Specimen`.
ZOO = [
    Specimen("bias: sum over everything", "bias-sum-over-everything", {"Affine": SumsEverything}),
    Specimen("bias: mean over the batch", "bias-mean", {"Affine": AveragesTheBias}),
    Specimen("bias: first row only", "bias-first-row", {"Affine": TakesTheFirstRow}),
    Specimen("ReLU: mask forgotten", "mask-missing", {"ReLU": ForgetsTheMask}),
    Specimen("loss: no division by N", "missing-batch-division", {"SoftmaxWithLoss": NeverDivides}),
    Specimen(
        "loss: divided by N twice", "double-batch-division", {"SoftmaxWithLoss": DividesTwice}
    ),
    Specimen(
        "softmax over the whole batch",
        "softmax-over-batch",
        {"SoftmaxWithLoss": NormalisesTheBatch},
    ),
    Specimen(
        "ReLU: mask from the upstream's sign", "mask-from-upstream", {"ReLU": MasksByUpstream}
    ),
    Specimen("ReLU: mask inverted", "mask-inverted", {"ReLU": InvertsTheMask}),
    Specimen("W2 updated too early", None, {"Affine2": UpdatesEarly}),
    Specimen("sigmoid: derivative twice", "derivative-twice", {"Sigmoid": DerivesTwice}, "sigmoid"),
    Specimen(
        "sigmoid: derivative forgotten",
        "derivative-missing",
        {"Sigmoid": ForgetsTheDerivative},
        "sigmoid",
    ),
]


class RedrawsTheMask(Dropout):
    def backward(self, dout):
        return dout * self.draw(dout)


class ForgetsTheFactor(Dropout):
    def backward(self, dout):
        return dout * (self.mask > 0)


class DropsInPlace(Dropout):
    def forward(self, x):
        if self.training:
            self.mask = self.draw(x)
        else:
            self.mask = 1.0
        x *= self.mask
        return x


class TakesConstants(BatchNorm):
    def backward(self, dout):
        super().backward(dout)
        return dout * self.gamma / self.std


class ForgetsTheMean(BatchNorm):
    def backward(self, dout):
        super().backward(dout)
        g = dout * self.gamma
        along = (g * self.x_hat).mean(axis=0)
        return (g - self.x_hat * along) / self.std


class ForgetsGamma(BatchNorm):
    def backward(self, dout):
        super().backward(dout)
        along = (dout * self.x_hat).mean(axis=0)
        g = dout - dout.mean(axis=0)
        return (g - self.x_hat * along) / self.std


class KernelNotTurned(Conv2D):
    # for a stride of 1; the gradients of W and b are right
    def backward(self, dout):
        super().backward(dout)
        KH, KW = self.W.shape[2:]
        h, w = KH - 1 - self.pad, KW - 1 - self.pad
        edges = (0, 0), (0, 0), (h, h), (w, w)
        framed = np.pad(dout, edges)
        W = self.W.swapaxes(0, 1)
        return Conv2D(W).forward(framed)


class WindowsOverwrite(Conv2D):
    # the gradients of W and b are right
    def backward(self, dout):
        super().backward(dout)
        W, dx = self.W, np.zeros(self.x_shape)
        rows = dout.reshape(*dout.shape[:2], -1)
        seen_by = views(dx, W.shape[2:], self.stride)
        for k, seen in enumerate(seen_by):
            i, j = divmod(k, W.shape[3])
            share = W[:, :, i, j].T @ rows
            seen[...] = share.reshape(seen.shape)
        return cropped(dx, self.pad)


class BiasOfOnePlace(Conv2D):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads["b"] = dout[:, :, 0, 0].sum(axis=0)
        return dx


class KeepsTheFrame(Conv2D):
    def backward(self, dout):
        dx, p = super().backward(dout), self.pad
        return np.pad(dx, [(0, 0), (0, 0), (p, p), (p, p)])


class ReshapesAxes(Conv2D):
    # dW was (F, K, C), and should be (F, C, K)
    def backward(self, dout):
        dx = super().backward(dout)
        F, C, *K = self.W.shape
        dW = self.grads["W"].reshape(F, C, -1)
        dW = dW.swapaxes(1, 2)
        self.grads["W"] = dW.reshape(F, C, *K)
        return dx


class InParts(Attention):
    """Attention, with its way back in three parts."""

    def softmax_back(self, dA):
        mean = (self.A * dA).sum(axis=-1, keepdims=True)
        return self.A * (dA - mean)

    def scores_back(self, dS):
        root = np.sqrt(self.Q.shape[-1])
        return dS @ self.K / root, dS.mT @ self.Q / root

    def total(self, pieces):
        return sum(pieces)

    def backward(self, dout):
        dA, dV = dout @ self.V.mT, self.A.mT @ dout
        three = *self.scores_back(self.softmax_back(dA)), dV
        for name, d in zip(self.params, three, strict=True):
            self.grads[name] = as_rows(self.x).T @ as_rows(d)
        pieces = [d @ W.T for d, W in zip(three, self.W, strict=True)]
        return self.total(pieces)


class KeepsTheMean(InParts):
    def softmax_back(self, dA):
        return self.A * dA


class TakesTheDiagonal(InParts):
    def softmax_back(self, dA):
        return self.A * (1 - self.A) * dA


class ScoresNotTurned(InParts):
    def scores_back(self, dS):
        root = np.sqrt(self.Q.shape[-1])
        return dS @ self.K / root, dS @ self.Q / root


class ForgetsTheScale(InParts):
    def scores_back(self, dS):
        return dS @ self.K, dS.mT @ self.Q


class ForgetsTheValues(InParts):
    def total(self, pieces):
        through_q, through_k, through_v = pieces
        return through_q + through_k


#: The layers of Part II, each a class, and the code of its mistake. (The doctor has no name for that of
#: `ScoresNotTurned`.)
PART_TWO = {
    RedrawsTheMask: "mask-redrawn",
    ForgetsTheFactor: "scaled",
    DropsInPlace: "mutates-input",
    TakesConstants: "statistics-constant",
    ForgetsTheMean: "statistics-constant",
    ForgetsGamma: "factor-missing",
    KernelNotTurned: "kernel-not-turned",
    WindowsOverwrite: "overwritten-at-fork",
    BiasOfOnePlace: "overwritten-at-fork",
    KeepsTheFrame: "wrong-shape",
    ReshapesAxes: "axes-in-wrong-order",
    KeepsTheMean: "softmax-diagonal",
    TakesTheDiagonal: "softmax-diagonal",
    ForgetsTheScale: "scaled",
    ForgetsTheValues: "overwritten-at-fork",
}
