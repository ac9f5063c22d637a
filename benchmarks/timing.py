"""How the benchmarks measure: one core, everything side by side in one run, medians with ranges.

Import this before NumPy: it fixes the threads, and lets NumPy choose its own BLAS kernels (some
machines pin an older one by OPENBLAS_CORETYPE, which slows NumPy by 1.3 to 1.8 and no framework).
"""

import os
import platform
import statistics
from datetime import date
from time import perf_counter

os.environ.pop("OPENBLAS_CORETYPE", None)
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"


def one_core():
    """Keep this process, and the threads of every framework in it, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def side_by_side(contenders, seconds):
    """Seconds a call of each contender (name -> function), as (median, lowest, highest) by name.

    They take turns, a few milliseconds each, so that a slow moment of the machine hits all alike.
    """
    calls = {name: calls_for(run, 0.003) for name, run in contenders.items()}
    times = {name: [] for name in contenders}
    end = perf_counter() + seconds
    while perf_counter() < end or min(map(len, times.values())) < 3:
        for name, run in contenders.items():
            begun = perf_counter()
            for _ in range(calls[name]):
                run()
            times[name].append((perf_counter() - begun) / calls[name])
    return {name: spread(seen) for name, seen in times.items()}


def calls_for(run, seconds):
    run(), run()
    begun = perf_counter()
    run()
    return max(1, int(seconds / max(perf_counter() - begun, 1e-7)))


def spread(times):
    """The median, and the range that holds the middle nine in ten."""
    times = sorted(times)
    cut = len(times) // 20
    return statistics.median(times), times[cut], times[-1 - cut]


def machine():
    """One line that says where and when."""
    return f"{cpu()}, one core, Python {platform.python_version()}, {date.today().isoformat()}"


def cpu():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(head, rows):
    """A Markdown table, its first column to the left."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


SPACE = "\u00a0"  # no line ends at it


def in_units(seconds):
    for size, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
        if seconds >= size:
            return f"{seconds / size:.3g}{SPACE}{unit}"
    return f"{seconds / 1e-9:.3g}{SPACE}ns"
