"""Where the time of a training step goes: each line of the step by hand of *Making it fast*, and its calls alone.

python benchmarks/step_parts.py             measure, print
python benchmarks/step_parts.py --write     and write src/chainrule/data/step_parts.json, which the appendix draws

`make bench` does it, too. A part is the fastest of many runs; its calls are the same line with a handful of numbers.
"""

import argparse
import json
from pathlib import Path

import timing  # before NumPy: it fixes the threads

# isort: split
from time import perf_counter

import numpy as np

import chainrule

OUTCOME = Path(chainrule.__file__).parent / "data" / "step_parts.json"
NETWORKS = {
    "2-3-1, batch 4": (2, 3, 1, 4),
    "64-50-10, batch 50": (64, 50, 10, 50),
    "784-50-10, batch 100": (784, 50, 10, 100),
    "784-512-10, batch 256": (784, 512, 10, 256),
}
TINY = [
    (1, 1, 1, 1),
    (2, 2, 2, 2),
    (2, 3, 1, 4),
]  # to change an array of one number in place takes NumPy longer
STEP = [
    ("x @ W1", "h = x @ W1"),
    ("biases", "h += b1"),
    ("ReLU", "np.maximum(h, 0.0, out=h)"),
    ("h @ W2", "a = h @ W2"),
    ("biases", "a += b2"),
    (
        "softmax",
        "a -= a.max(axis=1, keepdims=True); np.exp(a, out=a); a /= a.sum(axis=1, keepdims=True)",
    ),
    ("(y − t) / N", "a -= t; a /= len(x)"),
    ("dh, gate", "dh = a @ W2.T; dh *= h > 0"),
    ("dW1", "dW1 = x.T @ dh"),
    ("db1, db2", "db1 = dh.sum(axis=0)"),
    ("dW2", "dW2 = h.T @ a"),
    ("db1, db2", "db2 = a.sum(axis=0)"),
    (
        "update",
        "for param, grad in zip((W1, b1, W2, b2), (dW1, db1, dW2, db2)): grad *= 1e-9; param -= grad",
    ),
]


def timed_step():
    """A step that returns when each of its parts began and the last one ended."""
    lines = ["def step(x, t, W1, b1, W2, b2):", "    moments = [now()]"]
    for _, code in STEP:
        lines += [f"    {code}", "    moments.append(now())"]
    lines.append("    return moments")
    names = {"np": np, "now": perf_counter}
    exec("\n".join(lines), names)
    return names["step"]


def parts(sizes, seconds):
    """Microseconds of each part, the fastest of all runs, by name."""
    D, H, C, N = sizes
    rng, step = np.random.default_rng(0), timed_step()
    x, t = rng.random((N, D)), np.eye(C)[rng.integers(C, size=N)]
    # He's start: with large scores a softmax holds numbers so small that processors are slow with them
    W1, W2 = (rng.normal(0.0, np.sqrt(2 / shape[0]), shape) for shape in ((D, H), (H, C)))
    params = W1, np.zeros(H), W2, np.zeros(C)
    clock = min(np.diff([perf_counter() for _ in range(1000)]))  # what looking at it takes
    best, end = np.full(len(STEP), np.inf), perf_counter() + seconds
    while perf_counter() < end:
        best = np.minimum(best, np.diff(step(x, t, *params)) - clock)
    found = dict.fromkeys((name for name, _ in STEP), 0.0)
    for (name, _), time in zip(STEP, best, strict=True):
        found[name] += 1e6 * time
    return found


def measure(seconds):
    tiny = [parts(sizes, seconds) for sizes in TINY]
    calls = {part: min(one[part] for one in tiny) for part in tiny[0]}
    times = {network: parts(sizes, seconds) for network, sizes in NETWORKS.items()}
    return {
        "command": "make bench",
        "machine": timing.machine(),
        "numpy": np.__version__,
        "microseconds of each part": {k: {p: round(t, 2) for p, t in v.items()} for k, v in times.items()},
        "microseconds of its calls": {part: round(time, 2) for part, time in calls.items()},
    }  # fmt: skip


def write(seconds):
    OUTCOME.write_text(
        json.dumps(measure(seconds), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write what the appendix draws")
    wanted = parser.parse_args()
    timing.one_core()
    if wanted.write:
        write(seconds=4)
    else:
        print(json.dumps(measure(seconds=1), indent=1, ensure_ascii=False))
