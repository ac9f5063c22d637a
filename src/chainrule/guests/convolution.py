"""Layers for images: a convolution is an affine layer that slides, and pooling lets the largest one through.

A batch of images is x (N, C, H, W): samples, channels, rows, columns. Both layers look at it through a
window of KH rows and KW columns, which stands at OH times OW places. `views` gives what each entry of
the window sees on its way, as a view of x. So forward reads these views, and backward adds to the same
views of dx: where windows overlap, the gradients add. Chapter 14 derives all of it.

In memory the samples stand last: a view is then read and written in long runs.
"""

import math
from functools import reduce

import numpy as np

from chainrule.graph import Variable, as_variable
from chainrule.guards.guests import (
    frame,
    kernels,
    pair,
    refuse_images,
    refuse_kernels,
    refuse_number,
)
from chainrule.guards.layers import Layer
from chainrule.guards.numbers import gate
from chainrule.more_nodes import reshape


def views(x, size, stride=(1, 1)):
    """For each entry of the window, row by row: what it sees at every place, (..., OH, OW), a view of x.

    x (..., H, W), size (KH, KW); OH = (H - KH) // stride + 1, and OW alike: what is left over at the
    end is not seen.
    """
    (H, W), (KH, KW), (down, across) = x.shape[-2:], size, stride
    for i in range(KH):
        for j in range(KW):
            yield x[..., i : i + H - KH + 1 : down, j : j + W - KW + 1 : across]


def images(shape, value, dtype):
    """An array (N, C, H, W) of one value, in memory (C, H, W, N)."""
    N, *shape = shape
    return np.full((*shape, N), value, dtype).transpose(3, 0, 1, 2)


def padded(x, pad, value=0):
    """x (N, C, H, W) with `pad` rows and columns of `value` on each side."""
    around = [(0, 0), (pad, pad), (pad, pad), (0, 0)]
    x = np.pad(x.transpose(1, 2, 3, 0), around, constant_values=value)
    return x.transpose(3, 0, 1, 2)


def cropped(x, pad):
    """x (..., H, W) without its `pad` outer rows and columns: the way back of `padded`."""
    H, W = x.shape[-2:]
    return x[..., pad : H - pad, pad : W - pad]


class Conv2D(Layer):
    """Kernels slide over an image; each output is the weighted sum of one window, plus a bias.

    W       (F, C, KH, KW): F kernels, each with a weight for every entry of a window, as PyTorch's
            Conv2d keeps them. They are not turned: signal processing calls this a cross-correlation.
    b       (F,), or None for a layer without biases
    stride  how far the window moves from one place to the next
    pad     how many rows and columns of zeros are put around the image

    LeCun et al. (1998), "Gradient-based learning applied to document recognition".
    """

    refuse = refuse_kernels

    def __init__(self, W, b=None, stride=1, pad=0):
        self.params = kernels(W, b)
        self.grads = dict.fromkeys(self.params)
        self.stride, self.pad = pair("Conv2D", "stride", stride), frame(pad)

    @classmethod
    def init(cls, C, F, size, rng, stride=1, pad=0, scale="he"):
        """F kernels of normal random weights over C channels, and zero biases (F,).

        size    of the window: a number, or (KH, KW)
        scale   as for `Affine.init`, where a window's C KH KW entries are the D inputs
        rng     a numpy.random.Generator
        """
        KH, KW = pair("Conv2D.init", "size", size)
        if scale in ("he", "xavier"):
            scale = np.sqrt((2 if scale == "he" else 1) / (C * KH * KW))
        return cls(rng.normal(0.0, scale, (F, C, KH, KW)), np.zeros(F), stride, pad)

    def forward(self, x):
        """x (N, C, H, W) -> (N, F, OH, OW), with OH = (H + 2 pad - KH) // stride + 1, and OW alike.

        `seen` is (C, KH KW, OH, OW, N). A column of `windows` (C KH KW, OH OW N) is all that one window
        sees: the rest is an affine layer.
        """
        self.W = W = self.params["W"]
        x = padded(x, self.pad)
        seen = views(x, W.shape[2:], self.stride)
        seen = np.stack([view.transpose(1, 2, 3, 0) for view in seen], axis=1)
        self.x_shape, self.seen_shape = x.shape, seen.shape
        self.windows = seen.reshape(W[0].size, -1)
        out = W.reshape(len(W), -1) @ self.windows
        if "b" in self.params:
            out = out + self.params["b"][:, np.newaxis]
        return out.reshape(len(W), *seen.shape[2:]).transpose(3, 0, 1, 2)

    def backward(self, dout):
        """dW = dout @ windows.T;  db = the sum of dout over samples and places;  dwindows = W.T @ dout.

        dout (N, F, OH, OW) -> dx (N, C, H, W): each window's gradient goes back to where the window stood.
        """
        W = self.W
        dout = dout.transpose(1, 2, 3, 0).reshape(len(W), -1)
        self.grads["W"] = (dout @ self.windows.T).reshape(W.shape)
        if "b" in self.params:
            self.grads["b"] = dout.sum(axis=1)
        if self.want_dx:  # a network's first layer hands it to nobody
            dwindows = W.reshape(len(W), -1).T @ dout
            dx = images(self.x_shape, 0, dout.dtype)
            shares = dwindows.reshape(self.seen_shape).transpose(1, 4, 0, 2, 3)
            seen = views(dx, W.shape[2:], self.stride)
            for view, share in zip(seen, shares, strict=True):
                view += share
            return cropped(dx, self.pad)

    def places(self, shape):
        """Which entries of a sample each window of x (N, C, H, W) sees: see `places`."""
        return places(shape[1:], self.params["W"].shape[2:], self.stride, self.pad)

    def expand(self, x):
        """The windows by `Take`, then the nodes of an affine layer; returns a Variable (N, F, OH, OW)."""
        x, W = as_variable(x), Variable(self.params["W"], "W")
        index = self.places(x.shape)
        windows = reshape(x, len(x.value), math.prod(x.shape[1:]))[:, np.maximum(index, 0)]
        if self.pad:
            windows = windows * (index >= 0)  # what is not in the image counts as 0
        windows.name = "windows"
        out = windows @ reshape(W, len(W.value), -1).T  # (N, OH, OW, C KH KW) @ (C KH KW, F)
        if "b" in self.params:
            out = out + Variable(self.params["b"], "b")
        return out.transpose(0, 3, 1, 2)


def places(shape, size, stride, pad=0):
    """im2col: which entry of a sample (C, H, W) each entry of each window is, (OH, OW, C KH KW).

    The entries of a sample are counted from 0 as they lie in memory; one of the padding is -1.
    """
    numbered = padded(np.arange(math.prod(shape)).reshape(1, *shape), pad, -1)[0]
    seen = np.stack([*views(numbered, size, stride)], axis=1)  # (C, KH KW, OH, OW)
    return seen.transpose(2, 3, 0, 1).reshape(*seen.shape[2:], -1)


class MaxPool2D(Layer):
    """The largest entry of each window, in every channel for itself. Where several tie, the first one wins.

    size    of the window: a number, or (KH, KW)
    stride  how far it moves; None for its own size, so that windows neither overlap nor leave gaps
    """

    refuse = refuse_images
    keeps_output = True  # backward needs it: the caller gets a copy

    def __init__(self, size, stride=None):
        super().__init__()
        self.size = pair("MaxPool2D", "size", size)
        self.stride = self.size if stride is None else pair("MaxPool2D", "stride", stride)

    def forward(self, x):
        """x (N, C, H, W) -> (N, C, OH, OW), with OH = (H - KH) // stride + 1, and OW alike."""
        self.x = x
        self.out = reduce(np.maximum, views(x, self.size, self.stride))
        return self.out

    def backward(self, dout):
        """dout (N, C, OH, OW) -> dx (N, C, H, W): the winner gets its window's gradient, the others 0."""
        dx, waiting = images(self.x.shape, 0, dout.dtype), np.ones(dout.shape, bool)
        seen, back = (views(array, self.size, self.stride) for array in (self.x, dx))
        for view, share in zip(seen, back, strict=True):
            won = waiting & (view == self.out)
            share += gate(dout, won)
            waiting ^= won
        return dx

    def places(self, shape):
        """Which entries of a channel each window of x (N, C, H, W) sees: see `places`."""
        return places((1, *shape[2:]), self.size, self.stride)

    def expand(self, x):
        """The windows by `Take`, then `Max`; returns a Variable (N, C, OH, OW)."""
        x = as_variable(x)
        N, C, H, W = x.shape
        windows = reshape(x, N, C, H * W)[:, :, self.places(x.shape)]  # (N, C, OH, OW, KH KW)
        return windows.max(axis=-1)


class Flatten(Layer):
    """Each sample as one row: (N, ...) -> (N, D)."""

    refuse = refuse_number

    def forward(self, x):
        """x (N, ...) -> (N, D), with D the product of the other sizes."""
        self.x_shape = x.shape
        return x.reshape(len(x), math.prod(x.shape[1:])).copy()

    def backward(self, dout):
        """dx = dout, in x's shape."""
        return dout.reshape(self.x_shape).copy()

    def expand(self, x):
        """One node; returns a Variable (N, D)."""
        x = as_variable(x)
        return reshape(x, len(x.value), math.prod(x.shape[1:]))
