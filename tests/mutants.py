"""Break the core one place at a time, and list what no test notices: `make mutants`.

A mutant is a module with one change in its syntax tree, such as `broken` makes: another operator,
number or condition, a decorator less, a loop over nothing. The files stay as they are, and must stay
so while this runs.

- The tests run once under coverage, which says which of them run a line.
- A process collects the tests once, and forks for each mutant. The child puts the changed code into
  the functions that live there, and runs the tests that run the changed line: those first that killed
  a neighbour, then the quickest. (What a test computed while it was collected stays as it was.)
- What runs when the package is imported cannot be changed so late. For such a mutant the child forks
  from a process that has not imported it, imports it changed, collects the tests, and runs all.
- The first failure is a kill, and so is running out of time or of memory; but only if the same tests
  pass in a fork without the change. A test that fails there too is left out, and the mutant tried anew.
- A mutant for which survivors.toml has a reason gets the first BRIEF seconds of its tests only.

Results stand in .mutants: it goes on where it was stopped. A kill holds until its module changes, what
lived until any module or test does. SHARE=8 tries one in eight of what is left.
"""

import ast
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
import types
import warnings
from collections import Counter, defaultdict
from copy import copy
from difflib import ndiff
from importlib.machinery import SourceFileLoader
from itertools import pairwise, permutations
from multiprocessing import get_context
from pathlib import Path

import coverage
import processes
import profiles  # noqa: F401, before its profile is changed
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".mutants"
RECORD, RESULTS = KEPT / "record.json", KEPT / "results.jsonl"
CORE = ["nodes", "graph", "layers", "losses", "network"]
MODULES = [
    *CORE,
    *(f"guards/{name}" for name in [*CORE, "numbers", "numeric", "guests", "training"]),
]
MODULES += ["numeric", "gradcheck", "training"]
PATH = {module: str(ROOT / "src" / "chainrule" / f"{module}.py") for module in MODULES}
TESTS = """reached_for odd_uses layers network bad_inputs training_mode convolution guests nodes graph
more_nodes dropout_and_batch_norm trace foreign_layers gradcheck properties""".split()
CTRL_C = "interrupted.py::test_ctrl_c_in_training_leaves_whole_updates_and_says_how_many"
REASONS = tomllib.loads(Path(__file__).with_name("survivors.toml").read_text(encoding="utf-8"))
WANTED = 0.95  # of those that can be noticed
BRIEF = 2.0
MEMORY = 4 << 30
WORKERS = 2

ARITHMETIC = "Add Sub Mult Div FloorDiv Mod Pow LShift RShift BitOr BitAnd BitXor".split()
COMPARISONS = "Eq NotEq Lt LtE Gt GtE Is IsNot".split()
UNARY = "UAdd USub Invert Not".split()
PAIRS = ["And Or", "In NotIn", "Is IsNot", "Break Continue"]
OPPOSITE = {one: [other] for pair in PAIRS for one, other in permutations(pair.split())}


def broken(node):
    """What may stand in the place of this node."""

    def but(**changes):
        other = copy(node)
        vars(other).update(changes)
        return other

    def others(old, names=()):
        old = type(old).__name__
        return [getattr(ast, name)() for name in OPPOSITE.get(old, names) if name != old]

    match node:
        case ast.Constant(value=bool(value)):
            yield but(value=not value)
        case ast.Constant(value=int(value) | float(value)):
            yield from (but(value=value + 1), but(value=value - 1))
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op):
            yield from (but(op=other) for other in others(op, ARITHMETIC))
        case ast.UnaryOp(op=op, operand=operand):
            yield from (operand, *(but(op=other) for other in others(op, UNARY)))
        case ast.Compare(ops=ops):
            for i, old in enumerate(ops):
                for other in others(old, COMPARISONS):
                    yield but(ops=[*ops[:i], other, *ops[i + 1 :]])
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield but(test=ast.UnaryOp(ast.Not(), test))
        case ast.For():
            yield but(iter=ast.List([], ast.Load()))
        case ast.ExceptHandler(type=ast.expr()):
            yield but(type=ast.Tuple([], ast.Load()))
        case ast.Break() | ast.Continue():
            yield from others(node)
    for one in getattr(node, "decorator_list", ()):
        yield but(decorator_list=[other for other in node.decorator_list if other is not one])


class Mutant:
    """A module with `new` in one place of its tree, at parts[at], within a statement (or its head)."""

    def __init__(self, module, tree, statement, parts, at, new):
        self.module, self.tree, self.place = module, tree, (parts, at, new)
        body, decorators = (getattr(statement, name, []) for name in ("body", "decorator_list"))
        end = max(body[0].lineno - 1, statement.lineno) if body else statement.end_lineno
        self.lines = range(min(part.lineno for part in [statement, *decorators]), end + 1)
        before, whole = ast.unparse(statement), parts[at] is statement
        after = self.changed(lambda: ast.unparse(new if whole else statement))
        diff = [line for line in ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
        self.says = next((line for line in diff if line[0] == "+"), diff[0])[2:].strip()
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
        def compiled():
            return compile(ast.fix_missing_locations(self.tree), PATH[self.module], "exec")

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # `is` beside a number
            return self.changed(compiled)

    def reason(self):
        """The kind of reason that survivors.toml has for it, "equal" or "lived", or None."""
        for kind, reasons in REASONS.items():
            lines = [line for one in reasons for line in one.get(self.module, ())]
            if any(re.search(line, self.says) for line in lines):
                return kind


def mutants_of(module):
    tree = ast.parse(Path(PATH[module]).read_text(encoding="utf-8"))

    def walk(parent, statement):
        for field, value in ast.iter_fields(parent):
            several = isinstance(value, list)
            parts, places = (value, range(len(value))) if several else (vars(parent), [field])
            for at in places:
                if isinstance(node := parts[at], ast.AST):
                    within = node if isinstance(node, (ast.stmt, ast.ExceptHandler)) else statement
                    for new in broken(node):
                        yield Mutant(module, tree, within, parts, at, new)
                    yield from walk(node, within)

    return {mutant.name: mutant for mutant in walk(tree, None)}


def with_tests(work, imported=lambda: None):
    """What work(items) says with the package imported and the tests collected; False if they were not."""
    said, folder = [False], KEPT / f"tests{os.getpid()}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(session):
        if not session.testsfailed:
            said.append(work({item.nodeid: item for item in session.items}))
        return True

    try:
        for module in MODULES:
            importlib.import_module(f"chainrule.{module}".replace("/", "."))
    except Exception:
        return False
    imported()
    tests = [f"{ROOT}/tests/test_{name}" for name in [*(f"{name}.py" for name in TESTS), CTRL_C]]
    options = ["-qq", "-s", "-p", "no:cacheprovider", f"--basetemp={folder}"]
    plugin = types.SimpleNamespace(pytest_runtestloop=pytest_runtestloop)
    pytest.main([*options, "-m", "not browser and not site", *tests], plugins=[plugin])
    shutil.rmtree(folder, ignore_errors=True)
    return said[-1]


def fails(items, name, following):
    reports = runtestprotocol(items[name], nextitem=items.get(following), log=False)
    return any(report.failed for report in reports)


def record(of):
    """Write which tests run a line ("" is the import), and how many seconds each takes."""
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

    assert with_tests(run, lambda: cover.switch_context("collection"))
    cover.stop()
    lines = {module: cover.get_data().contexts_by_lineno(PATH[module]) for module in MODULES}
    RECORD.write_text(json.dumps([of, lines, seconds]), encoding="utf-8")


def child(work, *what):
    process = get_context("fork").Process(target=work, args=what)
    process.start()
    return process


def functions_of(code):
    return [one for one in code.co_consts if isinstance(one, types.CodeType)]


def shape(code):
    return code.co_freevars, [shape(one) for one in functions_of(code)]


def put_in(old, new, living):
    for a, b in zip(functions_of(old), functions_of(new), strict=True):
        put_in(a, b, living)
        for function in living[a]:
            function.__code__ = b


class Trials:
    """Try mutants, and write down what came of it."""

    def __init__(self, of):
        self.of = of
        _, self.running, self.seconds = json.loads(RECORD.read_text(encoding="utf-8"))
        self.old = {
            name: compile(Path(PATH[name]).read_bytes(), PATH[name], "exec") for name in PATH
        }
        self.at = mmap.mmap(-1, 4)  # which of its tests a child has come to
        self.sound, self.killers = set(), Counter()

    def of_lines(self, mutant):
        """The tests that run its lines."""
        running = self.running[mutant.module]
        return {name for line in mutant.lines for name in running.get(str(line), ())}

    def in_functions(self, mutants):
        living = defaultdict(list)

        def run(mutant, tests, items):
            if mutant:
                put_in(self.old[mutant.module], mutant.code(), living)
            return self.pass_all(items, tests)

        def work(items):
            for one in gc.get_objects():
                if isinstance(one, types.FunctionType):
                    living[one.__code__].append(one)
            gc.freeze()  # what a child does not look at need not be copied
            for mutant in mutants:
                self.judge(mutant, self.of_lines(mutant) & self.seconds.keys(), run, items)
            return True

        assert with_tests(work)

    def at_import(self, mutants):
        def run(mutant, tests):
            if mutant:
                code, path, get = mutant.code(), PATH[mutant.module], SourceFileLoader.get_code
                SourceFileLoader.get_code = lambda it, name: (
                    code if it.path == path else get(it, name)
                )
            return with_tests(lambda items: self.pass_all(items, tests))

        for mutant in mutants:
            self.judge(mutant, self.seconds, run)

    def all(self, mutants):
        early, late = [], []
        for mutant in mutants:
            fits = shape(self.old[mutant.module]) == shape(mutant.code())
            (late if fits and "" not in self.of_lines(mutant) else early).append(mutant)
        first = child(self.in_functions, late)
        first.join()
        self.at_import(early)
        sys.exit(first.exitcode)

    def pass_all(self, items, tests):
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

    def passes(self, run, *what):
        """Whether run(*what) is true, in a child that says nothing."""

        def work():
            said, nowhere = os.dup(2), os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            try:
                os._exit(0 if run(*what) else 3)  # at once: nothing of a mutant is tidied up
            except BaseException:
                os.dup2(said, 2)
                raise

        self.at[:] = bytes(4)
        process = child(work)
        process.join()
        assert process.exitcode != 1, "this program failed, and not a test"
        return process.exitcode == 0

    def judge(self, mutant, tests, run, *more):
        near, killer = (mutant.module, mutant.lines), None
        tests = sorted(tests, key=lambda name: (-self.killers[near, name], self.seconds[name]))
        while mutant.reason() and sum(map(self.seconds.get, tests)) > BRIEF:
            tests.pop()
        while killer is None and not self.passes(run, mutant, tests, *more):
            until = tests[: int.from_bytes(self.at[:]) + 1]
            if tuple(until) in self.sound or self.passes(run, None, until, *more):
                self.sound.add(tuple(until))
                killer = until[-1]
                self.killers[near, killer] += 1
            else:
                print(
                    f"This test fails without a mutant, and is left out: {tests.pop(len(until) - 1)}"
                )
        with RESULTS.open("a", encoding="utf-8") as file:
            of = self.of[mutant.module if killer else "all"]
            file.write(json.dumps([of, mutant.name, killer]) + "\n")


def table(mutants, found):
    """Print it. Whether enough were killed, and each of the others has its reason."""
    tried, killed, equal = Counter(), Counter(), Counter()
    for name, killer in found.items():
        for row in (mutants[name].module, "in all"):
            tried[row] += 1
            killed[row] += killer is not None
            equal[row] += killer is None and mutants[name].reason() == "equal"
    share = {row: killed[row] / max(1, tried[row] - equal[row]) for row in tried}
    for row in sorted(tried, key=[*MODULES, "in all"].index):
        print(
            f"{row:<16}{killed[row]:>5} of {tried[row]:>5} killed, {killed[row] / tried[row]:6.1%}",
            end="",
        )
        print(f"; {share[row]:6.1%} of the {tried[row] - equal[row]:>5} that can be noticed")
    odd = sorted(name for name in found if found[name] is None and not mutants[name].reason())
    print(
        *(f"\nThis one lived, and survivors.toml does not say why:\n{name}" for name in odd),
        sep="\n",
    )
    return share["in all"] >= WANTED and not odd


def main(share=1):
    at_once = settings(settings.get_profile("repeatable"), phases=[Phase.explicit, Phase.generate])
    settings.register_profile("repeatable", at_once)
    settings.load_profile("repeatable")
    processes.descendants = set  # to look for them takes longer than most mutants live
    KEPT.mkdir(exist_ok=True)
    RESULTS.touch()

    def fingerprint(*paths):
        texts = b"".join(Path(path).read_bytes() for path in sorted(paths))
        return hashlib.sha256(texts).hexdigest()[:16]

    def found():
        """{name: what killed it, or None}, of those that are as they were."""
        rows = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
        rows = [row for row in rows if row[1] in mutants]
        return {
            name: by for at, name, by in rows if at == of[mutants[name].module if by else "all"]
        }

    of = {module: fingerprint(path) for module, path in PATH.items()}
    of["all"] = fingerprint(*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/*.py"))
    mutants = {name: mutant for module in MODULES for name, mutant in mutants_of(module).items()}
    if not RECORD.exists() or json.loads(RECORD.read_text(encoding="utf-8"))[0] != of["all"]:
        child(record, of["all"]).join()
    waiting = [mutant for name, mutant in mutants.items() if name not in found()]
    random.shuffle(waiting)
    waiting = waiting[::share]
    trials = Trials(of)
    print(f"{len(waiting)} mutants to try", flush=True)
    workers = [child(trials.all, waiting[one::WORKERS]) for one in range(WORKERS)]
    for worker in workers:
        worker.join()
    return table(mutants, found()) and not any(worker.exitcode for worker in workers)


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
