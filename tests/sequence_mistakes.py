"""Cells, attention, convolutions in loops, and closures: right, and with one mistake each.

`SET` is a list like those of `blind_mistakes`, and `RIGHT` holds the same code without a mistake. Each kind
is written in several ways, as courses and forum questions do it. Every line here was written anew.
"""

import numpy as np

SET, RIGHT = [], []
rng = np.random.default_rng(2027)
X = rng.normal(size=(5, 4))
LABELS = np.array([2, 0, 1, 1, 2])
SEQUENCE = rng.normal(size=(3, 4, 5))  # samples, steps, features
CHARS, NEXT = np.array([3, 0, 2, 2, 1]), np.array([0, 2, 2, 1, 4])
IMAGES = rng.normal(size=(2, 2, 6, 6))


def case(want, *arguments):
    """Register what is made by a function: as right code where nothing is wanted."""

    def register(make):
        one = (make.__name__, want.split("|"), make, arguments)
        (SET if want else RIGHT).append(one)
        return make

    return register


def variant(want, base, arguments, name, **changes):
    case(want, *arguments)(type(name, (base,), changes))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(a, axis=-1):
    e = np.exp(a - a.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


# 1. LSTM and GRU cells.


class OneMatrix:
    """An LSTM over all steps with one matrix for four gates; a sum of squares for a loss."""

    def __init__(self):
        g = np.random.default_rng(1)
        self.params = {
            "Wx": g.normal(size=(5, 12)) * 0.5,
            "Wh": g.normal(size=(3, 12)) * 0.5,
            "b": g.normal(size=12) * 0.1,
        }
        self.grads = {}

    def forward(self, x):
        N, T, _ = x.shape
        h, c = np.zeros((N, 3)), np.zeros((N, 3))
        hs, self.cache = [], []
        for t in range(T):
            a = x[:, t] @ self.params["Wx"] + h @ self.params["Wh"] + self.params["b"]
            i, f, o = sigmoid(a[:, :3]), sigmoid(a[:, 3:6]), sigmoid(a[:, 6:9])
            g = np.tanh(a[:, 9:])
            c_new = f * c + i * g
            h_new = o * np.tanh(c_new)
            self.cache.append((x[:, t], h, c, i, f, o, g, c_new))
            h, c = h_new, c_new
            hs.append(h)
        self.shape = x.shape
        return np.stack(hs, axis=1)

    def backward(self, dout):
        N, T, _ = self.shape
        dx = np.zeros(self.shape)
        grads = {k: np.zeros_like(v) for k, v in self.params.items()}
        dh, dc = np.zeros((N, 3)), np.zeros((N, 3))
        for t in reversed(range(T)):
            x, h, c, i, f, o, g, c_new = self.cache[t]
            dh = dh + dout[:, t]
            da, dc = self.gates(dh, dc, c, i, f, o, g, c_new)
            grads["Wx"] += x.T @ da
            grads["Wh"] += h.T @ da
            grads["b"] += da.sum(axis=0)
            dx[:, t] = da @ self.params["Wx"].T
            dh = da @ self.params["Wh"].T
        self.grads = grads
        return dx

    def gates(self, dh, dc, c, i, f, o, g, c_new):
        th = np.tanh(c_new)
        dc = dc + self.through_tanh(dh, o, th, c_new)
        parts = dc * g, dc * c, dh * th, dc * i
        da = np.hstack(self.through_gates(*parts, i, f, o, g))
        return da, dc * f

    def through_tanh(self, dh, o, th, c_new):
        return dh * o * (1 - th**2)

    def through_gates(self, di, df, do, dg, i, f, o, g):
        return di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)


def lstm(want, name, **changes):
    variant(want, OneMatrix, (SEQUENCE,), name, **changes)


lstm("", "OneMatrixRight")
MISSING = "derivative-missing|factor-missing"
lstm(
    MISSING,
    "NoForget",
    through_gates=lambda s, di, df, do, dg, i, f, o, g: (
        di * i * (1 - i),
        df,
        do * o * (1 - o),
        dg * (1 - g**2),
    ),
)
lstm(
    MISSING,
    "NoInput",
    through_gates=lambda s, di, df, do, dg, i, f, o, g: (
        di,
        df * f * (1 - f),
        do * o * (1 - o),
        dg * (1 - g**2),
    ),
)
lstm(
    MISSING,
    "NoOutput",
    through_gates=lambda s, di, df, do, dg, i, f, o, g: (
        di * i * (1 - i),
        df * f * (1 - f),
        do,
        dg * (1 - g**2),
    ),
)
lstm(
    MISSING,
    "NoCandidate",
    through_gates=lambda s, di, df, do, dg, i, f, o, g: (
        di * i * (1 - i),
        df * f * (1 - f),
        do * o * (1 - o),
        dg,
    ),
)
lstm(
    MISSING + "|?",
    "NoGateAtAll",
    through_gates=lambda s, di, df, do, dg, i, f, o, g: (di, df, do, dg),
)
lstm(
    MISSING,
    "NoSigmoidAtAll",
    through_gates=lambda s, di, df, do, dg, i, f, o, g: (di, df, do, dg * (1 - g**2)),
)
lstm(
    "factor-missing",
    "ForgetHalf",
    through_gates=lambda s, di, df, do, dg, i, f, o, g: (
        di * i * (1 - i),
        df * f,
        do * o * (1 - o),
        dg * (1 - g**2),
    ),
)
lstm(
    "factor-missing",
    "ForgetOtherHalf",
    through_gates=lambda s, di, df, do, dg, i, f, o, g: (
        di * i * (1 - i),
        df * (1 - f),
        do * o * (1 - o),
        dg * (1 - g**2),
    ),
)
lstm(
    "another-array|?",
    "ForgetTakesInput",
    through_gates=lambda s, di, df, do, dg, i, f, o, g: (
        di * i * (1 - i),
        df * i * (1 - i),
        do * o * (1 - o),
        dg * (1 - g**2),
    ),
)
lstm(
    "another-array|?",
    "CandidateAsSigmoid",
    through_gates=lambda s, di, df, do, dg, i, f, o, g: (
        di * i * (1 - i),
        df * f * (1 - f),
        do * o * (1 - o),
        dg * g * (1 - g),
    ),
)
lstm(MISSING, "NoTanhOfCell", through_tanh=lambda s, dh, o, th, c: dh * o)
lstm(
    "another-array|factor-missing|overwritten-at-fork",
    "NoOutputGateInCell",
    through_tanh=lambda s, dh, o, th, c: dh * (1 - th**2),
)
lstm(
    "derivative-of-input|another-array",
    "TanhOfCellByCell",
    through_tanh=lambda s, dh, o, th, c: dh * o * (1 - c**2),
)


def gates_no_dc(self, dh, dc, c, i, f, o, g, c_new):
    th = np.tanh(c_new)
    dc = self.through_tanh(dh, o, th, c_new)
    return np.hstack(self.through_gates(dc * g, dc * c, dh * th, dc * i, i, f, o, g)), dc * f


def gates_no_f(self, dh, dc, c, i, f, o, g, c_new):
    th = np.tanh(c_new)
    dc = dc + self.through_tanh(dh, o, th, c_new)
    return np.hstack(self.through_gates(dc * g, dc * c, dh * th, dc * i, i, f, o, g)), dc


def gates_new_cell(self, dh, dc, c, i, f, o, g, c_new):
    th = np.tanh(c_new)
    dc = dc + self.through_tanh(dh, o, th, c_new)
    return np.hstack(self.through_gates(dc * g, dc * c_new, dh * th, dc * i, i, f, o, g)), dc * f


lstm("overwritten-at-fork", "CellNotHandedOn", gates=gates_no_dc)
lstm("another-array|factor-missing", "CellHandedOnWhole", gates=gates_no_f)
lstm("another-array", "ForgetMeetsNewCell", gates=gates_new_cell)


class StepWithDict:
    """One step with four matrices on the stacked column [h; x], the cache in a dict."""

    def __init__(self):
        g = np.random.default_rng(2)
        self.params = {f"W{k}": g.normal(size=(3, 7)) * 0.6 for k in "fico"}
        self.params |= {f"b{k}": g.normal(size=(3, 1)) * 0.2 for k in "fico"}
        self.h0, self.c0 = g.normal(size=(3, 5)), g.normal(size=(3, 5))
        self.grads = {}

    def forward(self, x):
        p = self.params
        z = np.concatenate((self.h0, x.T), axis=0)
        ft = sigmoid(np.dot(p["Wf"], z) + p["bf"])
        it = sigmoid(np.dot(p["Wi"], z) + p["bi"])
        cct = np.tanh(np.dot(p["Wc"], z) + p["bc"])
        c_next = ft * self.c0 + it * cct
        ot = sigmoid(np.dot(p["Wo"], z) + p["bo"])
        h = ot * np.tanh(c_next)
        self.cache = (z, ft, it, cct, ot, c_next)
        return h

    def backward(self, dh):
        z, ft, it, cct, ot, c_next = self.cache
        p = self.params
        dot = self.do(dh, ot, c_next)
        dc = dh * ot * (1 - np.tanh(c_next) ** 2)
        dcct = self.dcc(dc, it, cct)
        dit = self.di(dc, it, cct)
        dft = self.df(dc, ft)
        dz = np.zeros_like(z)
        for k, d in (("f", dft), ("i", dit), ("c", dcct), ("o", dot)):
            self.grads[f"W{k}"] = np.dot(d, z.T)
            self.grads[f"b{k}"] = np.sum(d, axis=1, keepdims=True)
            dz += np.dot(p[f"W{k}"].T, d)
        return dz[3:].T

    def do(self, dh, ot, c):
        return dh * np.tanh(c) * ot * (1 - ot)

    def dcc(self, dc, it, cct):
        return dc * it * (1 - cct**2)

    def di(self, dc, it, cct):
        return dc * cct * it * (1 - it)

    def df(self, dc, ft):
        return dc * self.c0 * ft * (1 - ft)


def step(want, name, **changes):
    variant(want, StepWithDict, (X,), name, **changes)


step("", "StepRight")
step(MISSING, "StepNoForget", df=lambda s, dc, ft: dc * s.c0)
step(MISSING, "StepNoInput", di=lambda s, dc, it, cct: dc * cct)
step(MISSING, "StepNoOutput", do=lambda s, dh, ot, c: dh * np.tanh(c))
step(MISSING, "StepNoCandidate", dcc=lambda s, dc, it, cct: dc * it)
step(
    "factor-missing|another-array|overwritten-at-fork",
    "StepNoCellBefore",
    df=lambda s, dc, ft: dc * ft * (1 - ft),
)
step(
    "another-array|factor-missing",
    "StepNoTanhForOutput",
    do=lambda s, dh, ot, c: dh * c * ot * (1 - ot),
)
step(
    "derivative-twice|another-array|factor-missing|?",
    "StepCandidateSquared",
    dcc=lambda s, dc, it, cct: dc * it * (1 - cct**2) ** 2,
)
step(
    "another-array|factor-missing",
    "StepCandidateInputForGate",
    dcc=lambda s, dc, it, cct: dc * it * (1 - it**2),
)


class Gru:
    """A GRU as a network of its own: loss and gradient."""

    def __init__(self):
        g = np.random.default_rng(3)
        self.params = {f"W{k}": g.normal(size=(5, 3)) * 0.6 for k in "zrh"}
        self.params |= {f"U{k}": g.normal(size=(3, 3)) * 0.6 for k in "zrh"}

    def loss(self, x, t):
        p, self.x = self.params, x
        self.h, self.z, self.r, self.n = [np.zeros((len(x), 3))], [], [], []
        for k in range(x.shape[1]):
            h = self.h[-1]
            z = sigmoid(x[:, k] @ p["Wz"] + h @ p["Uz"])
            r = sigmoid(x[:, k] @ p["Wr"] + h @ p["Ur"])
            n = np.tanh(x[:, k] @ p["Wh"] + (r * h) @ p["Uh"])
            self.z.append(z), self.r.append(r), self.n.append(n)
            self.h.append((1 - z) * h + z * n)
        return 0.5 * np.sum((self.h[-1] - t) ** 2)

    def gradient(self, x, t):
        self.loss(x, t)
        p, gr = self.params, {k: np.zeros_like(v) for k, v in self.params.items()}
        dh = self.h[-1] - t
        for k in reversed(range(x.shape[1])):
            h, z, r, n, xk = self.h[k], self.z[k], self.r[k], self.n[k], x[:, k]
            dn = dh * z * self.tanh_slope(n)
            dz = dh * self.opposed(n, h) * self.slope_z(z)
            drh = dn @ p["Uh"].T
            dr = drh * h * self.slope_r(r)
            for key, d, own in (("z", dz, h), ("r", dr, h), ("h", dn, r * h)):
                gr[f"W{key}"] += xk.T @ d
                gr[f"U{key}"] += own.T @ d
            dh = self.back(dh, z, r, drh, dz @ p["Uz"].T, dr @ p["Ur"].T)
        return gr

    def opposed(self, n, h):
        return n - h

    def tanh_slope(self, n):
        return 1 - n**2

    def slope_z(self, z):
        return z * (1 - z)

    def slope_r(self, r):
        return r * (1 - r)

    def back(self, dh, z, r, drh, by_z, by_r):
        return dh * (1 - z) + drh * r + by_z + by_r


def gru(want, name, **changes):
    variant(want, Gru, (SEQUENCE, rng.normal(size=(3, 3))), name, **changes)


gru("", "GruRight")
gru(MISSING, "GruNoUpdateSlope", slope_z=lambda s, z: 1.0)
gru(MISSING, "GruNoResetSlope", slope_r=lambda s, r: 1.0)
gru(MISSING, "GruNoTanhSlope", tanh_slope=lambda s, n: 1.0)
gru("wrong-sign|inputs-not-swapped", "GruUpdateTurned", opposed=lambda s, n, h: h - n)
gru(
    "overwritten-at-fork",
    "GruNoWayThroughUpdate",
    back=lambda s, dh, z, r, drh, by_z, by_r: dh * (1 - z) + drh * r + by_r,
)
gru(
    "overwritten-at-fork",
    "GruNoStraightWay",
    back=lambda s, dh, z, r, drh, by_z, by_r: drh * r + by_z + by_r,
)
gru(
    "another-array|factor-missing|overwritten-at-fork",
    "GruNoReset",
    back=lambda s, dh, z, r, drh, by_z, by_r: dh * (1 - z) + drh + by_z + by_r,
)
gru(
    "another-array",
    "GruKeepsZ",
    back=lambda s, dh, z, r, drh, by_z, by_r: dh * z + drh * r + by_z + by_r,
)


# 2. What a function encloses: data, weights, targets.


def enclosed(want, **parts):
    """The same function of x, with W, b and t outside of it; and of W, with x and t outside."""

    W, V = np.random.default_rng(4).normal(size=(2, 4, 4))
    t = np.random.default_rng(5).normal(size=(5, 4))

    def of_x():
        dx = parts.get("dx", lambda d, W: d.dot(W.T))

        def f(x):
            y = x.dot(W)
            return 0.5 * np.sum((y - t) ** 2), dx(y - t, W)

        return f

    def of_x_reversed():
        dx = parts.get("dx", lambda d, W: d.dot(W.T))

        def f(x):
            y = np.tanh(W.T.dot(x.T)).T
            return 0.5 * np.sum((y - t) ** 2), dx((y - t) * (1 - y**2), W)

        return f

    def of_w():
        dw = parts.get("dw", lambda x, d: x.T.dot(d))

        def f(W):
            y = X.dot(W)
            return 0.5 * np.sum((y - t) ** 2), dw(X, y - t)

        return f

    def of_two():
        dx = parts.get("dx", lambda d, W: d.dot(W.T))
        dw = parts.get("dw", lambda x, d: x.T.dot(d))

        def f(A, B):
            h = np.tanh(X.dot(A))
            y = h.dot(B)
            d = (y - t) / len(X)
            return 0.5 * np.sum((y - t) ** 2) / len(X), (dw(X, dx(d, B) * (1 - h**2)), dw(h, d))

        return f

    def layer():
        dx = parts.get("dx", lambda d, W: d.dot(W.T))

        class Projection:
            def forward(self, x):
                self.x = x
                return np.maximum(0, x.dot(W))

            def backward(self, dout):
                return dx(dout * (self.x.dot(W) > 0), W)

        return Projection()

    name = parts["name"]
    some = []
    if "dw" not in parts:
        some += [(of_x, X), (of_x_reversed, X), (layer, X)]
    if "dx" not in parts:
        some += [(of_w, W)]
    for make, x in some:
        (SET if want else RIGHT).append((f"{make.__name__}_{name}", want.split("|"), make, (x,)))
    (SET if want else RIGHT).append((f"of_two_{name}", want.split("|"), of_two, ((W, V),)))


enclosed("", name="right")
enclosed("weight-not-transposed", name="as_it_is", dx=lambda d, W: d.dot(W))
enclosed(
    "factor-missing|overwritten-at-fork|derivative-missing", name="no_matrix", dx=lambda d, W: d
)
enclosed("wrong-sign", name="sign", dx=lambda d, W: -d.dot(W.T))
enclosed("scaled", name="twice", dx=lambda d, W: 2 * d.dot(W.T))
enclosed(
    "upstream-ignored|factor-missing|?", name="sum_of_w", dx=lambda d, W: np.ones_like(d).dot(W.T)
)
enclosed("missing-batch-division|scaled", name="times_n", dw=lambda x, d: x.T.dot(d) * len(x))
enclosed("double-batch-division|scaled|bias-mean", name="mean", dw=lambda x, d: x.T.dot(d) / len(x))
enclosed("wrong-sign", name="less", dw=lambda x, d: -x.T.dot(d))


def margins(change=None, reg=0.0, given=0.0):
    def make():
        def svm(W):
            scores = X.dot(W)
            rows = np.arange(len(X))
            margin = np.maximum(0, scores - scores[rows, LABELS][:, None] + 1)
            margin[rows, LABELS] = 0
            loss = margin.sum() / len(X) + reg * np.sum(W * W)
            binary = (margin > 0).astype(float)
            if change != "label":
                binary[rows, LABELS] = -binary.sum(axis=1)
            if change == "one":
                binary[rows, LABELS] = -1
            dW = X.T.dot(binary)
            dW = dW if change == "N" else dW / len(X)
            return loss, dW + given * W

        return svm

    return make


M44 = np.random.default_rng(16).normal(size=(4, 4))


def projected(x):
    return M44.T.dot(x.T).T


class ByHelper:
    """A function of the module works with a matrix of the module."""

    def forward(self, x):
        self.y = np.tanh(projected(x))
        return self.y

    def backward(self, dout):
        return self.back(dout * (1 - self.y**2))

    def back(self, d):
        return M44.dot(d.T).T


for one, want, back in (
    ("Right", "", ByHelper.back),
    ("Turned", "weight-not-transposed", lambda s, d: M44.T.dot(d.T).T),
    ("Skipped", "factor-missing", lambda s, d: d),
):
    variant(want, ByHelper, (X,), f"ByHelper{one}", back=back)

W0 = np.random.default_rng(6).normal(size=(4, 3))
for one, want, rest in (
    ("right", "", ()),
    ("label", "label-term-missing", ("label",)),
    ("N", "missing-batch-division|scaled", ("N",)),
    ("one", "label-term-missing|?", ("one",)),
    ("decay", "weight-decay", (None, 0.1, 0.1)),
    ("both_right", "", (None, 0.1, 0.2)),
    ("decay_lost", "weight-decay", (None, 0.1)),
):
    (SET if want else RIGHT).append((f"svm_{one}", want.split("|"), margins(*rest), (W0,)))


def logistic(change=None):
    """One row of weights, data and labels enclosed, as in a course's first week."""

    def make():
        Y = (LABELS == 1) * 1.0

        def propagate(w):
            m = X.shape[0]
            A = sigmoid(np.dot(X, w))
            cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
            dZ = A - Y
            if change == "slope":
                dZ = dZ * A * (1 - A)
            if change == "turned":
                dZ = Y - A
            dw = np.dot(X.T, dZ) / m
            return cost, dw * m if change == "N" else dw

        return propagate

    return make


for one, want in (
    ("", ""),
    ("slope", "derivative-twice"),
    ("turned", "wrong-sign"),
    ("N", "missing-batch-division|scaled"),
):
    (SET if want else RIGHT).append(
        (f"logistic_{one}", want.split("|"), logistic(one), (W0[:, 0],))
    )


# 3. Convolutions in loops.


class Naive:
    """The loop over samples, filters, rows and columns."""

    def __init__(self):
        g = np.random.default_rng(7)
        self.params = {"W": g.normal(size=(3, 2, 3, 3)), "b": g.normal(size=3)}
        self.grads = {}

    stride, pad = 1, 0

    def forward(self, x):
        W, b, s, p = self.params["W"], self.params["b"], self.stride, self.pad
        self.xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        N, _, H, L = self.xp.shape
        F, _, hh, ww = W.shape
        out = np.zeros((N, F, 1 + (H - hh) // s, 1 + (L - ww) // s))
        for n in range(N):
            for f in range(F):
                for i in range(out.shape[2]):
                    for j in range(out.shape[3]):
                        window = self.xp[n, :, i * s : i * s + hh, j * s : j * s + ww]
                        out[n, f, i, j] = np.sum(window * W[f]) + b[f]
        return out

    def backward(self, dout):
        W, s, p = self.params["W"], self.stride, self.pad
        F, _, hh, ww = W.shape
        dx, dW, db = np.zeros_like(self.xp), np.zeros_like(W), np.zeros(F)
        for n in range(len(dx)):
            for f in range(F):
                for i in range(dout.shape[2]):
                    for j in range(dout.shape[3]):
                        at = (n, slice(None), slice(i * s, i * s + hh), slice(j * s, j * s + ww))
                        self.add(dx, dW, db, at, f, dout[n, f, i, j], W)
        self.grads = {"W": dW, "b": db}
        return dx[:, :, p : dx.shape[2] - p, p : dx.shape[3] - p]

    def add(self, dx, dW, db, at, f, d, W):
        self.add_x(dx, at, d * W[f])
        self.add_w(dW, f, d * self.xp[at])
        db[f] += d

    def add_x(self, dx, at, one):
        dx[at] += one

    def add_w(self, dW, f, one):
        dW[f] += one


def put_x(self, dx, at, one):
    dx[at] = one


def put_w(self, dW, f, one):
    dW[f] = one


def put_b(self, dx, dW, db, at, f, d, W):
    self.add_x(dx, at, d * W[f])
    self.add_w(dW, f, d * self.xp[at])
    db[f] = d


def turned_kernel(self, dx, dW, db, at, f, d, W):
    self.add_x(dx, at, d * W[f, :, ::-1, ::-1])
    self.add_w(dW, f, d * self.xp[at])
    db[f] += d


def no_kernel(self, dx, dW, db, at, f, d, W):
    self.add_x(dx, at, d * np.ones_like(W[f]))
    self.add_w(dW, f, d * self.xp[at])
    db[f] += d


def always_first_filter(self, dx, dW, db, at, f, d, W):
    self.add_x(dx, at, d * W[0])
    self.add_w(dW, f, d * self.xp[at])
    db[f] += d


LOST = "overwritten-at-fork"
for shape in ((1, 0), (1, 1), (2, 0), (2, 1)):
    rest = dict(zip(("stride", "pad"), shape, strict=True))
    end = f"_{shape[0]}{shape[1]}"
    for one, want, changes in (
        ("Right", "", {}),
        ("X", LOST, {"add_x": put_x}),
        ("W", LOST, {"add_w": put_w}),
        ("Both", LOST, {"add_x": put_x, "add_w": put_w}),
        ("B", LOST + "|bias-first-row", {"add": put_b}),
        ("Turned", "kernel-not-turned", {"add": turned_kernel}),
        ("NoKernel", "factor-missing|another-array|derivative-missing", {"add": no_kernel}),
        ("FirstFilter", "another-array|?", {"add": always_first_filter}),
    ):
        variant(want, Naive, (IMAGES,), f"Naive{one}{end}", **changes, **rest)


class ByOffset:
    """The loop over the kernel, with a whole window at once; images without channels."""

    def __init__(self):
        self.K = np.random.default_rng(8).normal(size=(3, 2))

    def forward(self, x):
        self.x = x
        h, w = x.shape[1] - 2, x.shape[2] - 1
        out = np.zeros((len(x), h, w))
        for a in range(3):
            for b in range(2):
                out += self.K[a, b] * x[:, a : a + h, b : b + w]
        return out

    def backward(self, dout):
        h, w = dout.shape[1:]
        dx, self.dK = np.zeros(self.x.shape), np.zeros((3, 2))
        for a in range(3):
            for b in range(2):
                self.dK[a, b] = self.k(dout, self.x[:, a : a + h, b : b + w])
                self.put(dx, a, b, h, w, dout)
        return dx

    def k(self, dout, window):
        return np.sum(dout * window)

    def put(self, dx, a, b, h, w, dout):
        dx[:, a : a + h, b : b + w] += self.K[a, b] * dout


def put_over(self, dx, a, b, h, w, dout):
    dx[:, a : a + h, b : b + w] = self.K[a, b] * dout


def put_turned(self, dx, a, b, h, w, dout):
    dx[:, a : a + h, b : b + w] += self.K[2 - a, 1 - b] * dout


def put_at_start(self, dx, a, b, h, w, dout):
    dx[:, :h, :w] += self.K[a, b] * dout


def put_at_rows(self, dx, a, b, h, w, dout):
    dx[:, a : a + h, :w] += self.K[a, b] * dout


for one, want, changes in (
    ("Right", "", {}),
    ("Over", LOST, {"put": put_over}),
    ("Turned", "kernel-not-turned", {"put": put_turned}),
    ("Start", "axes-in-wrong-order|another-array|?", {"put": put_at_start}),
    ("Rows", "axes-in-wrong-order|another-array|?", {"put": put_at_rows}),
    ("Mean", "bias-mean|scaled|double-batch-division|?", {"k": lambda s, d, w: np.mean(d * w)}),
    ("First", "bias-first-row|overwritten-at-fork", {"k": lambda s, d, w: np.sum(d[0] * w[0])}),
    ("NoX", "factor-missing|another-array", {"k": lambda s, d, w: np.sum(d)}),
):
    variant(want, ByOffset, (IMAGES[:, 0],), f"ByOffset{one}", **changes)


class OneLine:
    """A filter along a signal, an entry at a time; w by w, with a closing sum."""

    def __init__(self):
        self.w = np.random.default_rng(9).normal(size=3)

    def forward(self, x):
        self.x = x
        return np.array(
            [[np.dot(row[i : i + 3], self.w) for i in range(len(row) - 2)] for row in x]
        )

    def backward(self, dout):
        self.dw, dx = np.zeros(3), np.zeros(self.x.shape)
        for n in range(dout.shape[0]):
            for i in range(dout.shape[1]):
                self.at(dx, n, i, dout[n, i])
        return dx

    def at(self, dx, n, i, d):
        self.dw += d * self.x[n, i : i + 3]
        dx[n, i : i + 3] += d * self.w


def line_dx(self, dx, n, i, d):
    self.dw += d * self.x[n, i : i + 3]
    dx[n, i : i + 3] = d * self.w


def line_dw(self, dx, n, i, d):
    self.dw = d * self.x[n, i : i + 3]
    dx[n, i : i + 3] += d * self.w


def line_turned(self, dx, n, i, d):
    self.dw += d * self.x[n, i : i + 3]
    dx[n, i : i + 3] += d * self.w[::-1]


def line_one_on(self, dx, n, i, d):
    self.dw += d * self.x[n, i : i + 3]
    dx[n, i] += d * self.w[0]
    dx[n, i + 1] += d * self.w[1]


for one, want, at in (
    ("Right", "", OneLine.at),
    ("X", LOST, line_dx),
    ("W", LOST, line_dw),
    ("Turned", "kernel-not-turned", line_turned),
    ("TwoOfThree", LOST + "|?", line_one_on),
):
    variant(want, OneLine, (rng.normal(size=(3, 6)),), f"OneLine{one}", at=at)


# 4. A network of characters.


def characters(change=None, globally=False):
    """One hidden state, scores for each next character; the loss sums over the steps."""

    class CharRnn:
        def __init__(self):
            g = np.random.default_rng(10)
            self.params = {
                "Wxh": g.normal(size=(4, 5)) * 0.5,
                "Whh": g.normal(size=(4, 4)) * 0.5,
                "Why": g.normal(size=(5, 4)) * 0.5,
                "bh": g.normal(size=(4, 1)) * 0.1,
                "by": g.normal(size=(5, 1)) * 0.1,
            }

        def loss(self, inputs, targets):
            Wxh, Whh, Why, bh, by = self.params.values()
            self.xs, self.hs, self.ps = {}, {-1: np.zeros((4, 1))}, {}
            loss = 0
            for t in range(len(inputs)):
                self.xs[t] = np.zeros((5, 1))
                self.xs[t][inputs[t]] = 1
                self.hs[t] = np.tanh(np.dot(Wxh, self.xs[t]) + np.dot(Whh, self.hs[t - 1]) + bh)
                ys = np.dot(Why, self.hs[t]) + by
                self.ps[t] = np.exp(ys) / np.sum(np.exp(ys))
                loss += -np.log(self.ps[t][targets[t], 0])
            return loss

        def gradient(self, inputs, targets):
            self.loss(inputs, targets)
            Wxh, Whh, Why, bh, by = self.params.values()
            gr = {k: np.zeros_like(v) for k, v in self.params.items()}
            dhnext = np.zeros_like(self.hs[0])
            for t in reversed(range(len(inputs))):
                dy = np.copy(self.ps[t])
                self.label(dy, t, inputs, targets)
                gr["Why"] += np.dot(dy, self.hs[t].T)
                gr["by"] += dy
                dh = self.both(np.dot(Why.T, dy), dhnext)
                draw = self.slope(t) * dh
                gr["bh"] += draw
                gr["Wxh"] += np.dot(draw, self.xs[t].T)
                gr["Whh"] += np.dot(draw, self.hs[self.before(t)].T)
                dhnext = self.on(Whh, draw)
            return gr

        def label(self, dy, t, inputs, targets):
            dy[targets[t]] -= 1

        def both(self, a, b):
            return a + b

        def slope(self, t):
            return 1 - self.hs[t] * self.hs[t]

        def before(self, t):
            return t - 1

        def on(self, Whh, draw):
            return np.dot(Whh.T, draw)

    return CharRnn


SHIFTED = "labels-shifted|targets-differ"


def subtract_at(where):
    def label(self, dy, t, inputs, targets):
        dy[where(t, inputs, targets)] -= 1

    return label


for one, want, changes in (
    ("Right", "", {}),
    ("Inputs", SHIFTED, {"label": subtract_at(lambda t, i, g: i[t])}),
    ("OneBefore", SHIFTED, {"label": subtract_at(lambda t, i, g: g[t - 1])}),
    ("OneOn", SHIFTED, {"label": subtract_at(lambda t, i, g: g[min(t + 1, len(g) - 1)])}),
    ("Last", SHIFTED, {"label": subtract_at(lambda t, i, g: g[-1])}),
    ("First", SHIFTED, {"label": subtract_at(lambda t, i, g: g[0])}),
    ("OneClassOn", SHIFTED, {"label": subtract_at(lambda t, i, g: (g[t] + 1) % 5)}),
    ("WrongAtStepThree", SHIFTED, {"label": subtract_at(lambda t, i, g: i[t] if t == 3 else g[t])}),
    ("WrongAtLastStep", SHIFTED, {"label": subtract_at(lambda t, i, g: 0 if t == 4 else g[t])}),
    ("NoLabel", "label-term-missing", {"label": lambda s, dy, t, i, g: None}),
    (
        "NoLabelAtStepTwo",
        "label-term-missing|labels-shifted|targets-differ",
        {"label": subtract_at(lambda t, i, g: g[t] if t != 2 else slice(0, 0))},
    ),
    ("FutureLost", LOST, {"both": lambda s, a, b: a}),
    ("NowLost", LOST + "|?", {"both": lambda s, a, b: b}),
    ("NoSlope", MISSING, {"slope": lambda s, t: 1.0}),
    ("StateOneOn", "another-array", {"before": lambda s, t: t}),
    ("NotTransposed", "weight-not-transposed", {"on": lambda s, W, d: np.dot(W, d)}),
    ("SlopeBefore", "another-array", {"slope": lambda s, t: 1 - s.hs[t - 1] ** 2}),
):
    variant(want, characters(), (CHARS, NEXT), f"Char{one}", **changes)


class Batches:
    """The same with batches of rows, an embedding, and a softmax by a function."""

    def __init__(self):
        g = np.random.default_rng(12)
        self.params = {
            "E": g.normal(size=(5, 3)), "U": g.normal(size=(3, 4)), "W": g.normal(size=(4, 4)) * 0.5, "V": g.normal(size=(4, 5)),
        }  # fmt: skip

    def loss(self, x, t):
        p, (N, T) = self.params, x.shape
        self.h, self.y = [np.zeros((N, 4))], []
        loss = 0.0
        for k in range(T):
            self.h.append(np.tanh(p["E"][x[:, k]] @ p["U"] + self.h[-1] @ p["W"]))
            y = softmax(self.h[-1] @ p["V"])
            loss -= np.log(y[np.arange(N), t[:, k]]).sum()
            self.y.append(y)
        return loss / (N * T)

    def gradient(self, x, t):
        value = self.loss(x, t)
        p, (N, T) = self.params, x.shape
        g = {key: np.zeros_like(one) for key, one in p.items()}
        later = np.zeros((N, 4))
        for k in range(T - 1, -1, -1):
            dy = self.y[k].copy()
            dy[self.label(k, N, t, x)] -= 1
            dy /= N * T
            g["V"] += self.h[k + 1].T @ dy
            d = (dy @ p["V"].T + later) * (1 - self.h[k + 1] ** 2)
            g["U"] += p["E"][x[:, k]].T @ d
            g["W"] += self.h[k].T @ d
            self.embed(g["E"], x[:, k], d @ p["U"].T)
            later = d @ p["W"].T
        return value, g

    def label(self, k, N, t, x):
        return np.arange(N), t[:, k]

    def embed(self, dE, rows, d):
        np.add.at(dE, rows, d)


def add_rows(self, dE, rows, d):
    dE[rows] += d


def put_rows(self, dE, rows, d):
    dE[rows] = d


IDS = np.array([[0, 1, 4, 3], [2, 1, 0, 3], [2, 4, 0, 3]])
GOALS = np.array([[1, 4, 3, 0], [1, 0, 2, 2], [4, 0, 3, 1]])
for one, want, changes in (
    ("Right", "", {}),
    ("NextStep", SHIFTED, {"label": lambda s, k, N, t, x: (np.arange(N), t[:, (k + 1) % 4])}),
    ("StepBefore", SHIFTED, {"label": lambda s, k, N, t, x: (np.arange(N), t[:, k - 1])}),
    ("OwnChar", SHIFTED + "|?", {"label": lambda s, k, N, t, x: (np.arange(N), x[:, k])}),
    ("OtherSample", SHIFTED, {"label": lambda s, k, N, t, x: (np.arange(N), np.roll(t[:, k], 1))}),
    ("FirstStep", SHIFTED, {"label": lambda s, k, N, t, x: (np.arange(N), t[:, 0])}),
    (
        "EveryRow",
        SHIFTED + "|sum-over-wrong-axis|?",
        {"label": lambda s, k, N, t, x: (slice(None), t[:, k])},
    ),
    ("Rows", "repeated-rows", {"embed": add_rows}),
    ("RowsOver", "repeated-rows|overwritten-at-fork", {"embed": put_rows}),
):
    variant(want, Batches, (IDS, GOALS), f"Batches{one}", **changes)


# 5. Attention.


class SelfAttention:
    """Queries, keys and values from one x, in an own head."""

    scaled, causal = True, False

    def __init__(self):
        g = np.random.default_rng(13)
        self.params = {f"W{k}": g.normal(size=(5, 4)) * 0.6 for k in "qkv"}
        self.grads = {}

    def forward(self, x):
        self.x = x
        self.q, self.k, self.v = (x @ self.params[f"W{k}"] for k in "qkv")
        s = self.q @ self.k.transpose(0, 2, 1) / np.sqrt(4)
        if self.causal:
            s = s + np.triu(np.full(s.shape[1:], -1e9), 1)
        self.a = softmax(s)
        return self.a @ self.v

    def backward(self, d):
        dv = self.a.transpose(0, 2, 1) @ d
        da = d @ self.v.transpose(0, 2, 1)
        ds = self.scale(self.soft(da))
        dq, dk = self.dq(ds), self.dk(ds)
        flat = self.x.reshape(-1, 5)
        for key, one in (("q", dq), ("k", dk), ("v", dv)):
            self.grads[f"W{key}"] = flat.T @ one.reshape(-1, 4)
        return self.whole(
            *(one @ self.params[f"W{key}"].T for key, one in zip("qkv", (dq, dk, dv)))
        )

    def soft(self, da):
        return self.a * (da - (da * self.a).sum(-1, keepdims=True))

    def scale(self, ds):
        return ds / np.sqrt(4)

    def dq(self, ds):
        return ds @ self.k

    def dk(self, ds):
        return ds.transpose(0, 2, 1) @ self.q

    def whole(self, q, k, v):
        return q + k + v


ATTENTION = (
    ("Right", "", {}),
    ("RightCausal", "", {"causal": True}),
    ("NoScale", "scaled|factor-missing", {"scale": lambda s, ds: ds}),
    ("ScaleByD", "scaled|factor-missing", {"scale": lambda s, ds: ds / 4}),
    ("ScaleTwiceUp", "scaled|factor-missing", {"scale": lambda s, ds: ds * np.sqrt(4)}),
    ("NoSum", "softmax-diagonal", {"soft": lambda s, da: s.a * da}),
    ("Diagonal", "softmax-diagonal", {"soft": lambda s, da: s.a * (1 - s.a) * da}),
    ("NoSoftmax", "derivative-missing|factor-missing", {"soft": lambda s, da: da}),
    ("SumOverQueries", "sum-over-wrong-axis|softmax-over-batch", {"soft": lambda s, da: s.a * (da - (da * s.a).sum(-2, keepdims=True))}),
    ("SumOverAll", "sum-over-wrong-axis|softmax-over-batch", {"soft": lambda s, da: s.a * (da - (da * s.a).sum())}),
    ("SumOfBlock", "sum-over-wrong-axis|softmax-over-batch", {"soft": lambda s, da: s.a * (da - (da * s.a).sum((-1, -2), keepdims=True))}),
    ("NoFirstFactor", "factor-missing|derivative-missing|?", {"soft": lambda s, da: da - (da * s.a).sum(-1, keepdims=True)}),
    ("PlusSum", "wrong-sign", {"soft": lambda s, da: s.a * (da + (da * s.a).sum(-1, keepdims=True))}),
    ("MeanForSum", "scaled|softmax-diagonal|bias-mean|?", {"soft": lambda s, da: s.a * (da - (da * s.a).mean(-1, keepdims=True))}),
    ("SumOfDa", "another-array|factor-missing|?", {"soft": lambda s, da: s.a * (da - da.sum(-1, keepdims=True))}),
    ("KeysNotTurned", "weight-not-transposed", {"dk": lambda s, ds: ds @ s.q}),
    ("QueriesTurned", "weight-not-transposed", {"dq": lambda s, ds: ds.transpose(0, 2, 1) @ s.k}),
    ("KeyForQuery", "another-array|inputs-not-swapped", {"dq": lambda s, ds: ds @ s.q}),
    ("ValuesLost", LOST, {"whole": lambda s, q, k, v: q + k}),
    ("QueriesAlone", LOST, {"whole": lambda s, q, k, v: q}),
    ("CausalNoSum", "softmax-diagonal", {"causal": True, "soft": lambda s, da: s.a * da}),
    ("CausalNoScale", "scaled|factor-missing", {"causal": True, "scale": lambda s, ds: ds}),
)  # fmt: skip
for one, want, changes in ATTENTION:
    variant(want, SelfAttention, (SEQUENCE,), f"Attention{one}", **changes)


class ThreeInputs:
    """Scaled dot products of (q, k, v) without a batch, with plain sums."""

    def forward(self, q, k, v):
        self.q, self.k, self.v = q, k, v
        scores = np.dot(q, k.T) / np.sqrt(q.shape[1])
        e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
        self.a = e / np.sum(e, axis=1, keepdims=True)
        return np.dot(self.a, v)

    def backward(self, dout):
        dv = np.dot(self.a.T, dout)
        ds = self.soft(np.dot(dout, self.v.T))
        ds = self.scale(ds)
        return np.dot(ds, self.k), np.dot(ds.T, self.q), dv

    def soft(self, da):
        return self.a * (da - np.sum(da * self.a, axis=1, keepdims=True))

    def scale(self, ds):
        return ds / np.sqrt(self.q.shape[1])


def jacobians(axis):
    def soft(self, da):
        ds = np.zeros_like(da)
        for i in range(len(da)):
            a = self.a[i].reshape(-1, 1) if axis else self.a[:, i].reshape(-1, 1)
            ds[i] = np.dot(np.diagflat(a) - np.dot(a, a.T), da[i])
        return ds

    return soft


Q, K, V = rng.normal(size=(3, 4, 4))
for one, want, changes in (
    ("Right", "", {}),
    ("RightByMatrices", "", {"soft": jacobians(1)}),
    ("WrongColumn", "sum-over-wrong-axis|softmax-over-batch|another-array|?", {"soft": jacobians(0)}),
    ("NoScale", "scaled|factor-missing", {"scale": lambda s, ds: ds}),
    ("ScaleByD", "scaled|factor-missing", {"scale": lambda s, ds: ds / s.q.shape[1]}),
    ("NoSum", "softmax-diagonal", {"soft": lambda s, da: s.a * da}),
    ("Diagonal", "softmax-diagonal", {"soft": lambda s, da: da * s.a * (1 - s.a)}),
    ("OtherAxis", "sum-over-wrong-axis|softmax-over-batch", {"soft": lambda s, da: s.a * (da - np.sum(da * s.a, axis=0, keepdims=True))}),
    ("LaidAlong", "sum-over-wrong-axis|softmax-over-batch", {"soft": lambda s, da: s.a * (da - np.sum(da * s.a, axis=1))}),
    ("NoSoftmax", "derivative-missing|factor-missing", {"soft": lambda s, da: da}),
):  # fmt: skip
    variant(want, ThreeInputs, ((Q, K, V),), f"ThreeInputs{one}", **changes)


class TwoHeads:
    """Heads by reshape and transpose, and a matrix after them."""

    def __init__(self):
        g = np.random.default_rng(15)
        self.params = {k: g.normal(size=(6, 6)) * 0.5 for k in ("Wq", "Wk", "Wv", "Wo")}
        self.grads = {}

    def split(self, x):
        N, T, D = x.shape
        return x.reshape(N, T, 2, D // 2).transpose(0, 2, 1, 3)

    def merge(self, x):
        N, H, T, d = x.shape
        return x.transpose(0, 2, 1, 3).reshape(N, T, H * d)

    def forward(self, x):
        self.x, p = x, self.params
        self.q, self.k, self.v = [self.split(x @ p[k]) for k in ("Wq", "Wk", "Wv")]
        self.a = softmax(self.q @ self.k.transpose(0, 1, 3, 2) / np.sqrt(3))
        self.o = self.merge(self.a @ self.v)
        return self.o @ p["Wo"]

    def backward(self, dout):
        p, dx = self.params, 0
        self.grads["Wo"] = np.einsum("ntd,nte->de", self.o, dout)
        do = self.heads(dout @ self.turned(p["Wo"]))
        ds = self.scale(self.soft(do @ self.v.transpose(0, 1, 3, 2)))
        for k, one in (("Wq", ds @ self.k), ("Wk", self.dk(ds)), ("Wv", self.dv(do))):
            one = self.merge(one)
            self.grads[k] = np.einsum("ntd,nte->de", self.x, one)
            dx = dx + one @ p[k].T
        return dx

    def heads(self, d):
        return self.split(d)

    def turned(self, W):
        return W.T

    def dv(self, do):
        return self.a.transpose(0, 1, 3, 2) @ do

    def soft(self, da):
        return self.a * (da - (da * self.a).sum(-1, keepdims=True))

    def scale(self, ds):
        return ds / np.sqrt(3)

    def dk(self, ds):
        return ds.transpose(0, 1, 3, 2) @ self.q


def soft_over_queries(self, da):
    return self.a * (da - (da * self.a).sum(-2, keepdims=True))


for one, want, changes in (
    ("Right", "", {}),
    ("NoScale", "scaled|factor-missing", {"scale": lambda s, ds: ds}),
    ("ScaleByD", "scaled|factor-missing", {"scale": lambda s, ds: ds / 3}),
    ("NoSum", "softmax-diagonal", {"soft": lambda s, da: s.a * da}),
    ("OtherAxis", "sum-over-wrong-axis|softmax-over-batch", {"soft": soft_over_queries}),
    ("NoSoftmax", "derivative-missing|factor-missing", {"soft": lambda s, da: da}),
    ("KeysNotTurned", "weight-not-transposed", {"dk": lambda s, ds: ds @ s.q}),
    ("ValuesNotTurned", "weight-not-transposed", {"dv": lambda s, do: s.a @ do}),
    ("LastNotTurned", "weight-not-transposed", {"turned": lambda s, W: W}),
    ("OnlyReshaped", "axes-in-wrong-order", {"heads": lambda s, d: d.reshape(2, 2, 4, 3)}),
):
    variant(want, TwoHeads, (rng.normal(size=(2, 4, 6)),), f"TwoHeads{one}", **changes)


def pooled(change=None):
    """Attention over the rows of x with one learned query, all of it by closures."""

    def make():
        M = np.random.default_rng(14).normal(size=(4, 4))

        def f(x, u):
            keys = x.dot(M)
            s = keys.dot(u) / 2
            a = softmax(s)
            y = a.dot(x)
            dy = y
            da = x.dot(dy)
            ds = a * (da - (0 if change == "sum" else a.dot(da)))
            ds = ds if change == "scale" else ds / 2
            du = keys.T.dot(ds)
            dx = np.outer(a, dy)
            if change != "path":
                dx = dx + np.outer(ds, u).dot(M if change == "turned" else M.T)
            return 0.5 * y.dot(y), (dx, du)

        return f

    return make


U = rng.normal(size=4)
for one, want in (
    ("", ""),
    ("sum", "softmax-diagonal"),
    ("scale", "scaled|factor-missing"),
    ("path", LOST),
    ("turned", "weight-not-transposed"),
):
    (SET if want else RIGHT).append((f"pooled_{one}", want.split("|"), pooled(one), ((X, U),)))
