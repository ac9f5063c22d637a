"""The scalar graph, on micrograd's own demonstration: a 2-16-16-1 net, a hundred points, one loss.

Both engines build the graph and walk it back, with Python's garbage collector on and off. A second
table builds ever longer graphs: the time a node must not grow.
"""

import gc
import importlib.util
import random
import sys
import threading
import tracemalloc
from time import perf_counter

from timing import in_units, spread, table

from chainrule.graph import Variable, relu, topological_order


def demonstration(leaf, relu):
    """A function that builds the loss anew, with `leaf(number)` as leaves."""
    draw = random.Random(1337).uniform
    sizes = [2, 16, 16, 1]
    layers = [
        [([leaf(draw(-1, 1)) for _ in range(d)], leaf(0.0)) for _ in range(m)]
        for d, m in zip(sizes, sizes[1:], strict=False)
    ]
    points = [(draw(-2, 2), draw(-2, 2)) for _ in range(100)]
    params = [p for layer in layers for weights, b in layer for p in [*weights, b]]

    def score(x):
        for layer in layers:
            sums = []
            for weights, b in layer:
                total = b
                for w, value in zip(weights, x, strict=True):
                    total = total + w * value
                sums.append(relu(total) if layer is not layers[-1] else total)
            x = sums
        return x[0]

    def loss():
        total = 0.0
        for x, y in points:
            side = 1.0 if x + y > 0 else -1.0
            total = total + relu(1.0 + score([leaf(x), leaf(y)]) * -side)
        penalty = 0.0
        for p in params:
            penalty = penalty + p * p
        return total * (1 / len(points)) + penalty * 1e-4

    return loss


def seconds_a_node(build, collector, runs=7):
    """(build, backward), seconds a node as (median, lowest, highest); the last graph dies each time."""
    building, walking, loss = [], [], None
    gc.collect()
    if not collector:
        gc.disable()
    try:
        for _ in range(runs):
            if not collector:
                loss = None
                gc.collect()
            begun = perf_counter()
            loss = build()
            built = perf_counter()
            loss.backward()
            walked = perf_counter()
            building.append(built - begun)
            walking.append(walked - built)
    finally:
        gc.enable()
    size = count(loss)
    both = [a + b for a, b in zip(building, walking, strict=True)]
    return size, [[t / size for t in spread(times)] for times in (building, walking, both)]


def count(out):
    seen, stack = set(), [out]
    while stack:
        value = stack.pop()
        if value not in seen:
            seen.add(value)
            stack.extend(value.inputs if isinstance(value, Variable) else value._prev)
    return len(seen)


def bytes_a_node(build):
    tracemalloc.start()
    out = build()
    size = tracemalloc.get_traced_memory()[0] / count(out)
    tracemalloc.stop()
    return size


def engines():
    yield "chainrule", demonstration(Variable, relu)
    if importlib.util.find_spec("micrograd"):
        from micrograd.engine import Value

        yield "micrograd", demonstration(Value, lambda value: value.relu())


def chain(length):
    x, out = Variable(1.0), Variable(0.5)
    for _ in range(length // 2):
        out = out * x + 1e-6
    return out


def measure():
    rows = []
    for name, build in engines():
        for collector in (True, False):
            size, (building, walking, both) = seconds_a_node(build, collector)
            rows.append(
                [name, f"{size:,}", "on" if collector else "off"]
                + [in_units(times[0]) for times in (building, walking, both)]
                + [f"{bytes_a_node(build):.0f}"]
            )
            print(*rows[-1], flush=True)
    head = ["engine", "nodes", "collector", "build", "backward", "both, a node", "bytes a node"]
    return table(head, rows) + "\n\n" + growth()


def growth():
    rows = []
    for length in (1_000, 10_000, 100_000, 1_000_000):
        begun = perf_counter()
        out = chain(length)
        out.backward()
        seconds = perf_counter() - begun
        size = len(topological_order(out))
        rows.append([f"{size:,}", in_units(seconds), in_units(seconds / size)])
        print(*rows[-1], flush=True)
    return table(["nodes in one graph", "build and backward", "a node"], rows)


def with_deep_stack(run):
    """micrograd's walk is recursive: give it the stack, and the depth, that it needs."""
    sys.setrecursionlimit(10**6)
    threading.stack_size(512 * 2**20)
    found = []
    thread = threading.Thread(target=lambda: found.append(run()))
    thread.start()
    thread.join()
    return found[0]


if __name__ == "__main__":
    print(with_deep_stack(measure))
