"""The doors of `Dropout` and `BatchNorm`: a share to drop, and a batch with columns that can be normalised."""

from chainrule.guards.numbers import as_array, check_counts, check_rng, is_number


def check_share(self, p, rng):
    if not is_number(p) or not 0 <= p < 1:
        raise ValueError(
            f"Dropout wants the share p that it drops as a number from 0 up to, but not, 1, got {p!r}"
        )
    check_rng(rng, "Dropout wants")


def scales(gamma, beta, momentum, eps):
    """The params of a batch normalisation, as float arrays (D,) that fit."""
    gamma, beta = (as_array(a, f"BatchNorm {n}") for a, n in ((gamma, "gamma"), (beta, "beta")))
    fit(gamma, beta)
    if not is_number(momentum) or not 0 <= momentum <= 1:
        raise ValueError(f"BatchNorm wants momentum as a number from 0 to 1, got {momentum!r}")
    if not is_number(eps) or eps < 0:
        raise ValueError(f"BatchNorm wants eps as a number from 0, got {eps!r}")
    return {"gamma": gamma, "beta": beta}


def fit(gamma, beta):
    if gamma.ndim != 1 or gamma.shape != beta.shape or not gamma.size:
        raise ValueError(
            f"BatchNorm wants gamma (D,) and beta (D,), got gamma {gamma.shape} and beta {beta.shape}"
        )


def check_width(cls, D):
    check_counts("BatchNorm.init", D=D)


def check_batch(self, x):
    """x as a float array whose columns, or channels, gamma and beta fit."""
    for key in ("gamma", "beta"):
        self.params[key] = as_array(self.params[key], f"BatchNorm {key}")
    gamma = self.params["gamma"]
    fit(gamma, self.params["beta"])
    x, D = as_array(x, "BatchNorm"), len(gamma)
    width = x.shape[1] if x.ndim == 4 else x.shape[-1] if x.ndim in (1, 2) else None
    if width != D:
        raise ValueError(
            f"BatchNorm wants x (N, {D}), or images (N, {D}, H, W), to go with gamma ({D},), "
            f"got x {x.shape}"
        )
    if self.training and not x.size:
        raise ValueError(f"BatchNorm in training takes a mean over samples, and x {x.shape} has none")
    return self, x


