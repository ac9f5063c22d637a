"""Break the core one place at a time, and list what no test notices: `make mutants`.

A mutant is a module with one change in its syntax tree, such as `broken` makes: another operator, number or condition,
a decorator less, a loop over nothing. The files stay as they are, and must stay so while this runs.

- The tests run once under coverage. It says which of them run a line, and which lines run at import.
- A process collects the tests once, and forks for each mutant. The child puts the changed code into the functions that
  live there, and runs the tests that run the changed line: those first that killed a neighbour, then the quickest.
- What runs at import cannot be changed so late. For such a mutant the child forks from a process that has not imported
  the package; it imports it changed, collects the tests, and runs all of them.
- The first failure is a kill, and so is running out of time or of memory; but only if the same tests pass in a fork
  without the change. A test that fails there too is left out, and the mutant tried anew.
- A mutant for which survivors.toml has a reason gets the first BRIEF seconds of its tests only.

Results stand in .mutants: it goes on where it was stopped. A kill holds until its module changes, what lived until any
module or test does. SHARE=8 tries one in eight of what is left.
"""

import ast
import difflib
import gc
import hashlib
import importlib
import json
import mmap
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
import tomllib
import traceback
import types
import warnings
from collections import Counter, defaultdict
from contextlib import suppress
from copy import copy
from importlib.machinery import SourceFileLoader
from itertools import pairwise, permutations
from pathlib import Path

import coverage
import pytest
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".mutants"
CORE = ["nodes", "graph", "layers", "losses", "network"]
MODULES = [*CORE, *(f"guards/{name}" for name in [*CORE, "numbers", "numeric", "guests"])]
MODULES += ["numeric", "gradcheck", "training", "guards/training"]
TESTS = """reached_for odd_uses layers network bad_inputs training_mode convolution dropout_and_batch_norm guests nodes
more_nodes trace graph foreign_layers gradcheck properties""".split()
CTRL_C = "interrupted.py::test_ctrl_c_in_training_leaves_whole_updates_and_says_how_many"
REASONS = tomllib.loads(Path(__file__).with_name("survivors.toml").read_text(encoding="utf-8"))
WANTED = 0.95  # of those that can be noticed
BRIEF = 2.0
MEMORY = 4 << 30
BROKEN = 7  # how a child ends that has an error of its own

ARITHMETIC = "Add Sub Mult Div FloorDiv Mod Pow LShift RShift BitOr BitAnd BitXor".split()
COMPARISONS = "Eq NotEq Lt LtE Gt GtE Is IsNot".split()
OPPOSITES = ["And Or", "In NotIn", "Is IsNot", "Break Continue"]
OPPOSITE = {one: other for pair in OPPOSITES for one, other in permutations(pair.split())}


def broken(node):
    """What may stand in the place of this node."""

    def but(**changes):
        other = copy(node)
        vars(other).update(changes)
        return other

    def others(names, old):
        return [getattr(ast, name)() for name in names if name != old]

    match node:
        case ast.Constant(value=bool(value)):
            yield but(value=not value)
        case ast.Constant(value=int(value) | float(value)):
            yield from (but(value=value + 1), but(value=value - 1))
        case ast.BinOp(op=op) | ast.AugAssign(op=op):
            yield from (but(op=other) for other in others(ARITHMETIC, name_of(op)))
        case ast.BoolOp(op=op):
            yield but(op=getattr(ast, OPPOSITE[name_of(op)])())
        case ast.Compare(ops=ops):
            for i, old in enumerate(map(name_of, ops)):
                for other in others([OPPOSITE[old]] if old in OPPOSITE else COMPARISONS, old):
                    yield but(ops=[*ops[:i], other, *ops[i + 1 :]])
        case ast.UnaryOp(op=op, operand=operand):
            yield operand
            yield from (
                but(op=other) for other in others(["UAdd", "USub", "Invert", "Not"], name_of(op))
            )
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield but(test=ast.UnaryOp(ast.Not(), test))
        case ast.For():
            yield but(iter=ast.List([], ast.Load()))
        case ast.ExceptHandler(type=ast.expr()):
            yield but(type=ast.Tuple([], ast.Load()))
        case ast.Break() | ast.Continue():
            yield ast.copy_location(getattr(ast, OPPOSITE[name_of(node)])(), node)
    for one in getattr(node, "decorator_list", ()):
        yield but(decorator_list=[other for other in node.decorator_list if other is not one])


def name_of(node):
    return type(node).__name__


def path_of(module):
    return str(ROOT / "src" / "chainrule" / f"{module}.py")


class Mutant:
    """A module with `new` at one place of its tree: at parts[at], within a statement."""

    def __init__(self, module, tree, statement, parts, at, new):
        self.module, self.tree, self.place = module, tree, (parts, at, new)
        # A statement with a body is its head here.
        starts = [part.lineno for part in (statement, *getattr(statement, "decorator_list", ()))]
        body = getattr(statement, "body", None)
        end = max(body[0].lineno - 1, statement.lineno) if body else statement.end_lineno
        self.lines = range(min(starts), end + 1)
        before, whole = ast.unparse(statement), parts[at] is statement
        after = self.changed(lambda: ast.unparse(new if whole else statement))
        diff = [
            line
            for line in difflib.ndiff(before.splitlines(), after.splitlines())
            if line[0] in "+-"
        ]
        self.says = (
            "\n".join(line[2:].strip() for line in diff if line[0] == "+") or diff[0][2:].strip()
        )
        self.name = "\n".join([f"{module}.py:{statement.lineno}", *diff])

    def changed(self, work):
        """What work() gives while the tree is the changed one."""
        parts, at, new = self.place
        old, parts[at] = parts[at], new
        try:
            return work()
        finally:
            parts[at] = old

    def code(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `is` beside a number
            return self.changed(
                lambda: compile(ast.fix_missing_locations(self.tree), path_of(self.module), "exec")
            )

    def reason(self):
        """The kind of reason that survivors.toml has for it, "equal" or "lived", or None."""
        for kind, reasons in REASONS.items():
            if any(
                re.search(line, self.says) for one in reasons for line in one.get(self.module, ())
            ):
                return kind


def mutants_of(module):
    tree = ast.parse(Path(path_of(module)).read_text(encoding="utf-8"))

    def walk(parent, statement):
        for field, value in ast.iter_fields(parent):
            parts, places = (
                (value, range(len(value))) if isinstance(value, list) else (vars(parent), [field])
            )
            for at in places:
                if isinstance(node := parts[at], ast.AST):
                    inner = node if isinstance(node, (ast.stmt, ast.ExceptHandler)) else statement
                    yield from (Mutant(module, tree, inner, parts, at, new) for new in broken(node))
                    yield from walk(node, inner)

    return {mutant.name: mutant for mutant in walk(tree, None)}


class Collected:
    """A plug-in of pytest that does `work` in place of the tests, with all that were collected."""

    def __init__(self, work):
        self.work, self.done = work, False

    def pytest_collection(self):  # once profiles.py is loaded
        from hypothesis import Phase, settings

        at_once = settings(
            settings.get_profile("repeatable"), phases=[Phase.explicit, Phase.generate]
        )
        settings.register_profile("repeatable", at_once)
        settings.load_profile("repeatable")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        sys.modules[
            "processes"
        ].descendants = set  # to look for them takes longer than most mutants live
        self.done = not session.testsfailed and self.work(
            {item.nodeid: item for item in session.items}
        )
        return True


def with_tests(work, imported=lambda: None):
    """What work(items) gives with the package imported and the tests collected; False if they could not be."""
    try:
        for module in MODULES:
            importlib.import_module(f"chainrule.{module}".replace("/", "."))
    except Exception:
        return False
    imported()
    plugin, folder = Collected(work), KEPT / f"tests{os.getpid()}"
    tests = [f"{ROOT}/tests/test_{name}.py" for name in TESTS] + [f"{ROOT}/tests/test_{CTRL_C}"]
    options = [
        "-qq",
        "-s",
        "-p",
        "no:cacheprovider",
        "-m",
        "not browser and not site",
        f"--basetemp={folder}",
    ]
    pytest.main([*options, *tests], plugins=[plugin])
    shutil.rmtree(folder, ignore_errors=True)
    return plugin.done


def started(work, alone=False):
    """A child that does work(); one alone has a group and limits of its own, and prints nothing."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    code = BROKEN
    try:
        if alone:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
        code = 0 if work() else 1
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended_well(pid):
    """Whether its work() was true, once the child is gone, and all that it started."""
    try:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    assert code != BROKEN, "the machinery failed, not a test"
    return code == 0


def record(to, of):
    """Write which tests run a line ("" is the import), and how many seconds each test takes."""
    os.environ["COVERAGE_CORE"] = "ctrace"  # newer ones know no contexts
    cover = coverage.Coverage(data_file=None, include=[f"{ROOT}/src/*"], config_file=False)
    cover.start()
    seconds = {}

    def run(items):
        for name, following in pairwise([*items, None]):
            cover.switch_context(name)
            begun = time.process_time()
            if fails(items, name, following):
                print(f"This test fails without a mutant, and is left out: {name}")
            else:
                seconds[name] = time.process_time() - begun
        return True

    done = with_tests(run, lambda: cover.switch_context("collection"))
    cover.stop()
    lines = {module: cover.get_data().contexts_by_lineno(path_of(module)) for module in MODULES}
    to.write_text(json.dumps([of, lines, seconds]), encoding="utf-8")
    return done


def fails(items, name, following):
    reports = runtestprotocol(items[name], nextitem=items.get(following), log=False)
    return any(report.failed for report in reports)


def functions_of(code):
    return [one for one in code.co_consts if isinstance(one, types.CodeType)]


def fits(old, new):
    """Whether each function of the old code can go on with the new one's."""
    pairs = list(zip(functions_of(old), functions_of(new)))
    return len(pairs) == len(functions_of(old)) == len(functions_of(new)) and all(
        a.co_freevars == b.co_freevars and fits(a, b) for a, b in pairs
    )


def put_in(old, new, living):
    for a, b in zip(functions_of(old), functions_of(new)):
        put_in(a, b, living)
        for function in living[a]:
            function.__code__ = b


class Trials:
    def __init__(self, of, recorded):
        self.of, (_, self.lines, self.seconds) = of, recorded
        self.old = {
            module: compile(Path(path_of(module)).read_text("utf-8"), path_of(module), "exec")
            for module in MODULES
        }
        self.at = mmap.mmap(-1, 4)  # which of its tests a child has come to
        self.sound, self.killers = set(), Counter()

    def at_import(self, mutant):
        return any("" in self.tests_by_line(mutant, line) for line in mutant.lines) or not fits(
            self.old[mutant.module], mutant.code()
        )

    def tests_by_line(self, mutant, line):
        return self.lines[mutant.module].get(str(line), ())

    def all(self, mutants):
        """Whether all were tried."""
        late = [mutant for mutant in mutants if not self.at_import(mutant)]
        early = [mutant for mutant in mutants if mutant not in late]

        def in_functions(items):
            living = defaultdict(list)
            for one in gc.get_objects():
                if isinstance(one, types.FunctionType):
                    living[one.__code__].append(one)
            gc.freeze()  # what a child need not look at, it need not copy

            def run(mutant, tests):
                if mutant:
                    put_in(self.old[mutant.module], mutant.code(), living)
                return self.passes(items, tests)

            for mutant in late:
                tests = set().union(*(self.tests_by_line(mutant, line) for line in mutant.lines))
                self.judge(mutant, run, tests & self.seconds.keys())
            return True

        def imported(mutant, tests):
            if mutant:
                code, path, get = mutant.code(), path_of(mutant.module), SourceFileLoader.get_code
                SourceFileLoader.get_code = lambda it, name: (
                    code if it.path == path else get(it, name)
                )
            return with_tests(lambda items: self.passes(items, tests))

        done = ended_well(started(lambda: with_tests(in_functions)))
        for mutant in early:
            self.judge(mutant, imported, self.seconds)
        return done

    def passes(self, items, tests):
        for i, (name, following) in enumerate(pairwise([*tests, None])):
            self.at[:] = i.to_bytes(4)
            signal.setitimer(signal.ITIMER_PROF, 4 + 12 * self.seconds[name])  # of the processor
            signal.alarm(60 + int(60 * self.seconds[name]))  # of the clock
            try:
                if fails(items, name, following):
                    return False
            except BaseException:  # a Ctrl-C that a test sends, and nobody hears
                return False
        return True

    def judge(self, mutant, run, tests):
        begun, near = time.time(), (mutant.module, mutant.lines)
        tests = sorted(tests, key=lambda name: (-self.killers[near, name], self.seconds[name]))
        while mutant.reason() and sum(self.seconds[name] for name in tests) > BRIEF:
            tests.pop()
        killer = None
        while killer is None and not self.in_child(run, mutant, tests):
            until = tests[: int.from_bytes(self.at[:]) + 1]
            if tuple(until) in self.sound or self.in_child(run, None, until):
                self.sound.add(tuple(until))
                killer = until[-1]
                self.killers[near, killer] += 1
            else:
                print(f"This test fails without a mutant, and is left out: {until[-1]}")
                tests.remove(until[-1])
        result = [
            self.of[mutant.module if killer else None],
            mutant.name,
            killer,
            round(time.time() - begun, 2),
        ]
        with (KEPT / "results.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")

    def in_child(self, run, *what):
        self.at[:] = bytes(4)
        return ended_well(started(lambda: run(*what), alone=True))


def table(mutants, found):
    """Print it; whether enough were killed, and each that lived has a reason."""
    tried, killed, equal = Counter(), Counter(), Counter()
    odd = []
    for name, killer in found.items():
        for row in (mutants[name].module, "in all"):
            tried[row] += 1
            killed[row] += killer is not None
            equal[row] += killer is None and mutants[name].reason() == "equal"
        if killer is None and mutants[name].reason() is None:
            odd.append(name)
    for row in [*MODULES, "in all"]:
        if tried[row]:
            can = tried[row] - equal[row]
            print(
                f"{row:<16}{killed[row]:>5} of {tried[row]:>5} killed, {killed[row] / tried[row]:6.1%};",
                end="",
            )
            print(f" of {can:>5} that can be noticed, {killed[row] / max(can, 1):6.1%}")
    print(
        *(
            f"\nThis one lived, and survivors.toml does not say why:\n{name}"
            for name in sorted(odd)
        ),
        sep="\n",
    )
    return killed["in all"] >= WANTED * (tried["in all"] - equal["in all"]) and not odd


def main(share=1, workers=2):
    def fingerprint(*paths):
        return hashlib.sha256(
            b"".join(Path(path).read_bytes() for path in sorted(paths))
        ).hexdigest()[:16]

    KEPT.mkdir(exist_ok=True)
    of = {module: fingerprint(path_of(module)) for module in MODULES}
    of[None] = fingerprint(*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/*.py"))
    mutants = {name: mutant for module in MODULES for name, mutant in mutants_of(module).items()}
    recorded = KEPT / "record.json"
    if not recorded.exists() or json.loads(recorded.read_text(encoding="utf-8"))[0] != of[None]:
        assert ended_well(started(lambda: record(recorded, of[None])))

    def found():
        """{name: what killed it, or None}, of those that are as they were."""
        file = KEPT / "results.jsonl"
        rows = map(
            json.loads, file.read_text(encoding="utf-8").splitlines() if file.exists() else ()
        )
        return {
            name: killer
            for print_, name, killer, _ in rows
            if name in mutants and print_ == of[mutants[name].module if killer else None]
        }

    waiting = [mutant for name, mutant in mutants.items() if name not in found()]
    random.shuffle(waiting)
    waiting = waiting[::share]
    print(f"{len(waiting)} mutants to try.")
    trials = Trials(of, json.loads(recorded.read_text(encoding="utf-8")))
    parts = [waiting[one::workers] for one in range(workers)]
    done = [
        ended_well(pid) for pid in [started(lambda part=part: trials.all(part)) for part in parts]
    ]
    return table(mutants, found()) and all(done)


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
