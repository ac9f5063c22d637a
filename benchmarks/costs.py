"""What else costs time or memory: numerical gradients, traces, drawings, imports, a training run."""

import subprocess
import sys
from functools import partial
from math import log
from time import perf_counter

import numpy as np
from timing import in_units, side_by_side, table

from chainrule.drawing import draw
from chainrule.graph import Variable, forward_steps
from chainrule.network import two_layer_net
from chainrule.trace import expand_network, trace_graph, trace_network

SIZES = [(784, 50, 10), (784, 12, 10), (196, 12, 10)]


def numerical(seconds):
    """A numerical gradient against 2P forward passes, and against backpropagation.

    784-50-10 takes 79,520 forward passes: seconds each time, so it is run once.
    """
    rows, points, samples = [], [], 100 if seconds > 1 else 10
    for sizes in reversed(SIZES):
        rng = np.random.default_rng(0)
        net = two_layer_net(*sizes, rng)
        x, t = rng.random((samples, sizes[0])), rng.integers(sizes[2], size=samples)
        count = sum(array.size for array in net.params.values())
        seen = side_by_side(
            {"forward": partial(net.loss, x, t), "both": partial(net.gradient, x, t)}, seconds
        )
        begun = perf_counter()
        net.numerical_gradient(x, t)
        slow = perf_counter() - begun
        forward, both = seen["forward"][0], seen["both"][0]
        points.append((count, slow / both))
        rows.append(
            [f"{count:,}", in_units(forward), f"{both / forward:.2f}", in_units(slow)]
            + [f"{slow / (2 * count * forward):.3f}", f"{slow / both:,.0f}"]
        )
        print(*rows[-1], flush=True)
    (P0, r0), *_, (P1, r1) = points
    power = log(r1 / r0) / log(P1 / P0)
    head = ["parameters P", "a forward", "gradient / forward", "numerical gradient"]
    head += ["times 2P forwards", "numerical / backpropagation"]
    return (
        table(head, rows)
        + f"\n\nBatches of {samples}. The last column grows as P to the power {power:.2f}."
    )


def figures(seconds):
    """Tracing against the plain run, and drawing."""
    rng = np.random.default_rng(0)
    rows = []
    for sizes in ((2, 3, 2), (64, 20, 10)):
        net = two_layer_net(*sizes, rng)
        x, t = rng.random((2, sizes[0])), np.array([0, 1])
        layers, traced = partial(walk, net, x, t), partial(trace_network, net, x, t)
        runs = {"layers": layers, "both": lambda: (layers(), rerun(expand_network(net, x, t)[0]))}  # noqa: B023
        seen = side_by_side(runs | {"traced": traced}, seconds)
        name = f"trace of a {'-'.join(map(str, sizes))} net, a layer and a node a step"
        rows.append([name, *compared(seen, "layers", "both")])
    out = graph_of(200)
    seen = side_by_side({"plain": lambda: rerun(out), "traced": lambda: trace_graph(out)}, seconds)
    rows.append(["trace of 200 nodes", *compared(seen, "plain", "plain")])
    trace = trace_graph(out)
    drawing = side_by_side({"draw": lambda: draw(trace)}, seconds)["draw"][0]
    rows.append(["drawing of 200 nodes", in_units(drawing), "", ""])
    return table(["figure", "time", "times its plain run", "times the runs it records"], rows)


def compared(seen, *plain):
    traced = seen["traced"][0]
    return [in_units(traced), *(f"{traced / seen[name][0]:.1f}" for name in plain)]


def walk(net, x, t):
    return [*net.forward_steps(x, t), *net.backward_steps()]


def rerun(out):
    for _ in forward_steps(out):
        pass
    out.backward()


def graph_of(nodes):
    rng = np.random.default_rng(0)
    made = [Variable(float(rng.normal()), f"x{k}") for k in range(5)]
    while len(made) < nodes + 5:
        x, y = made[rng.integers(max(0, len(made) - 9), len(made))], made[-1]
        made.append(x + y if len(made) % 3 else x * y * 0.5 if len(made) % 2 else x - y)
    return made[-1]


IMPORTS = {"numpy": "import numpy", "chainrule.network": "import chainrule.network"}
RUN = """
import numpy as np
from chainrule.network import two_layer_net
from chainrule.training import SGD
rng = np.random.default_rng(0)
net, sgd = two_layer_net(784, 50, 10, rng), SGD(0.1)
x, t = rng.random((100, 784)), rng.integers(10, size=100)
for _ in range(100):
    sgd.update(net.params, net.gradient(x, t))
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def processes(seconds):
    """Imports, each in a fresh interpreter, and the peak memory of a short training run."""
    seen = side_by_side({name: fresh(code) for name, code in IMPORTS.items()}, 2 * seconds)
    ratio = seen["chainrule.network"][0] / seen["numpy"][0]
    peak = int(subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True).stdout)
    rows = [
        ["`import numpy`", in_units(seen["numpy"][0])],
        [
            "`import chainrule.network`",
            f"{in_units(seen['chainrule.network'][0])}, {ratio:.2f} times that",
        ],
        ["peak memory, import and 100 steps of 784-50-10", f"{peak / 2**10:.1f} MiB"],
    ]
    return table(["process", "time or memory"], rows)


def fresh(code):
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def measure(seconds):
    return "\n\n".join([numerical(seconds), figures(seconds), processes(seconds)])


if __name__ == "__main__":
    print(measure(1))
