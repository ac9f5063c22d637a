"""The scalar graph, on micrograd's own demonstration: a 2-16-16-1 net, a hundred points, one loss.

All engines build the graph and walk it back, with Python's garbage collector on and off: the package's,
the tape of number_tape.py, and micrograd. A second table builds ever longer graphs.
"""

import gc
import importlib.util
import operator
import random
import sys
import threading
import tracemalloc
from time import perf_counter

from number_tape import Tape
from timing import in_units, spread, table

from chainrule.graph import Variable, relu, topological_order


def chainrule():
    """What an engine is: a number, the three operations, the way back, and how many numbers there are."""
    ways = Variable.backward, lambda out: len(topological_order(out))
    return Variable, operator.add, operator.mul, relu, *ways


def tape():
    tape = Tape()
    ways = tape.backward, lambda out: len(tape.values)
    return tape.number, tape.add, tape.multiply, tape.relu, *ways


def micrograd():
    from micrograd.engine import Value

    ways = Value.backward, count_values
    return Value, operator.add, operator.mul, Value.relu, *ways


def count_values(out):
    seen, stack = set(), [out]
    while stack:
        value = stack.pop()
        if value not in seen:
            seen.add(value)
            stack.extend(value._prev)
    return len(seen)


def demonstration(engine):
    """Build the loss: the output, its way back, and the number of its nodes."""
    number, add, multiply, relu, backward, count = engine()
    draw = random.Random(1337).uniform
    sizes = [2, 16, 16, 1]
    layers = [
        [([number(draw(-1, 1)) for _ in range(d)], number(0.0)) for _ in range(m)]
        for d, m in zip(sizes, sizes[1:], strict=False)
    ]

    def score(x):
        for layer in layers:
            sums = []
            for weights, b in layer:
                total = b
                for w, value in zip(weights, x, strict=True):
                    total = add(total, multiply(w, value))
                sums.append(relu(total) if layer is not layers[-1] else total)
            x = sums
        return x[0]

    total = number(0.0)
    for _ in range(100):
        x, y = draw(-2, 2), draw(-2, 2)
        side = multiply(score([number(x), number(y)]), number(-1.0 if x + y > 0 else 1.0))
        total = add(total, relu(add(number(1.0), side)))
    penalty = number(0.0)
    for p in (p for layer in layers for weights, b in layer for p in [*weights, b]):
        penalty = add(penalty, multiply(p, p))
    loss = add(multiply(total, number(0.01)), multiply(penalty, number(1e-4)))
    return loss, backward, count


def chain(engine, length):
    number, add, multiply, _, backward, count = engine()
    x, out = number(1.0), number(0.5)
    for _ in range(length // 2):
        out = add(multiply(out, x), number(1e-6))
    return out, backward, count


def seconds_a_node(engine, collector, runs=7):
    """(nodes, seconds a node to build, to walk, and both), the three as (median, lowest, highest)."""
    building, walking, graph = [], [], None
    gc.collect()
    if not collector:
        gc.disable()
    try:
        for _ in range(runs):
            if not collector:  # nobody else would: micrograd's graphs hold circles
                graph = None
                gc.collect()
            begun = perf_counter()
            graph = demonstration(engine)
            built = perf_counter()
            out, backward, count = graph
            backward(out)
            walked = perf_counter()
            building.append(built - begun)
            walking.append(walked - built)
    finally:
        gc.enable()
    size = count(out)
    both = [a + b for a, b in zip(building, walking, strict=True)]
    return size, [[t / size for t in spread(times)] for times in (building, walking, both)]


def bytes_a_node(engine):
    tracemalloc.start()
    out, _, count = demonstration(engine)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size / count(out)


def measure():
    engines = {"chainrule": chainrule, "tape": tape}
    if importlib.util.find_spec("micrograd"):
        engines["micrograd"] = micrograd
    rows = []
    for name, engine in engines.items():
        for collector in (True, False):
            size, (building, walking, both) = seconds_a_node(engine, collector)
            rows.append(
                [name, f"{size:,}", "on" if collector else "off"]
                + [in_units(times[0]) for times in (building, walking, both)]
                + [f"{bytes_a_node(engine):.0f}"]
            )
            print(*rows[-1], flush=True)
    head = ["engine", "nodes", "collector", "build", "backward", "both, per node", "bytes per node"]
    return table(head, rows) + "\n\n" + growth({"chainrule": chainrule, "tape": tape})


def growth(engines):
    rows = []
    for length in (1_000, 10_000, 100_000, 1_000_000):
        row = [f"{length:,}"]
        for engine in engines.values():
            begun = perf_counter()
            out, backward, count = chain(engine, length)
            backward(out)
            row.append(in_units((perf_counter() - begun) / count(out)))
            out = backward = count = None
        rows.append(row)
        print(*rows[-1], flush=True)
    return table(["operations in one graph", *(f"{name}, per node" for name in engines)], rows)


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
