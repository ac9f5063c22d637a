"""Batch normalisation: each column of a batch is shifted to mean 0 and scaled to deviation 1."""

import numpy as np

from chainrule.graph import Variable, as_variable
from chainrule.guards.guests import refuse_batch, scales
from chainrule.guards.layers import Layer


class BatchNorm(Layer):
    """gamma times the normalised x, plus beta, column by column (Ioffe and Szegedy 2015).

    gamma, beta  (D,), learned: the scale and the shift of each column
    momentum     how much of the running mean and variance is kept at each forward in training: what
                 PyTorch calls momentum is 1 minus this
    eps          added to the variance, so that a column of equal numbers is not divided by 0
    training     whether the mean and the variance are the batch's; in prediction they are the running
                 ones, and a sample's output does not depend on the others

    x is (N, D), or images (N, D, H, W), whose D channels are normalised over samples and places. The
    variance is the mean of the squares, without a correction: PyTorch's running one is N / (N - 1) times it.
    """

    training = True
    refuse = refuse_batch

    def __init__(self, gamma, beta, momentum=0.9, eps=1e-5):
        self.params = scales(gamma, beta, momentum, eps)
        self.grads = dict.fromkeys(self.params)
        self.momentum, self.eps = float(momentum), float(eps)
        self.running_mean = np.zeros_like(self.params["gamma"])
        self.running_var = np.ones_like(self.params["gamma"])

    @classmethod
    def init(cls, D):
        """gamma of ones and beta of zeros, (D,) each: it begins as the normalisation alone."""
        return cls(np.ones(D), np.zeros(D))

    @property
    def running(self):
        """The running numbers by name, which a network saves and loads with its parameters."""
        return {"running_mean": self.running_mean, "running_var": self.running_var}

    def forward(self, x):
        """x (N, D) or (N, D, H, W) -> the same shape; one sample (D,) is a batch of one."""
        rows = as_rows(x)
        self.over_batch, self.gamma = self.training, self.params["gamma"]
        if self.over_batch:
            mean, var = rows.mean(axis=0), rows.var(axis=0)
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        else:
            mean, var = self.running_mean.astype(x.dtype), self.running_var.astype(x.dtype)
        self.std = np.sqrt(var + self.eps)
        self.x_hat = (rows - mean) / self.std
        return as_before(self.gamma * self.x_hat + self.params["beta"], x.shape)

    def backward(self, dout):
        """dgamma = sum of dout x_hat and dbeta = sum of dout, over the batch.

        With g = dout gamma, dx = (g - mean(g) - x_hat mean(g x_hat)) / std in
        training (derived in chapter 13). In prediction the mean and the
        deviation are constants, and dx = g / std.
        """
        rows = as_rows(dout)
        self.grads["gamma"] = (rows * self.x_hat).sum(axis=0)
        self.grads["beta"] = rows.sum(axis=0)
        g = rows * self.gamma
        if self.over_batch:
            along = (g * self.x_hat).mean(axis=0)
            g = g - g.mean(axis=0) - self.x_hat * along
        return as_before(g / self.std, dout.shape)

    def expand(self, x):
        """The definition in nine nodes; returns a Variable of x's shape. The running numbers stay."""
        x = as_variable(x)
        gamma, beta = (Variable(array, name) for name, array in self.params.items())
        rows = as_rows(x)
        if self.training:
            centred = rows - rows.mean(axis=0)
            std = ((centred**2).mean(axis=0) + self.eps) ** 0.5
        else:
            centred, std = rows - self.running_mean, np.sqrt(self.running_var + self.eps)
        return as_before(gamma * (centred / std) + beta, x.shape)


def as_rows(x):
    """x as (N, D): of images (N, D, H, W), each place of each is a row. For arrays and variables."""
    if len(x.shape) == 4:
        x = x.transpose(0, 2, 3, 1)
    return x if len(x.shape) == 2 else x.reshape(-1, x.shape[-1])


def as_before(rows, shape):
    """The inverse of `as_rows`, for an x of this shape."""
    if len(shape) == 4:
        N, D, H, W = shape
        return rows.reshape(N, H, W, D).transpose(0, 3, 1, 2)
    return rows if len(shape) == 2 else rows.reshape(shape)
