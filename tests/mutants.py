"""Break the core one place at a time, and list what no test notices: `make mutants`.

A mutant is a module with one change in its syntax tree, such as `broken` makes: another operator, number
or condition, a decorator less, a loop over nothing. The files stay as they are, and must while this runs.

The tests run once under coverage, which says who runs a line. Then a process collects them once, and forks
for each mutant. The child puts the changed code into the functions that live there, and runs the tests that
run the line: those first that killed a neighbour, then the quickest. What runs at import cannot be changed
so late: there the child imports the changed package itself, and runs all tests.

The first failure is a kill, and so is running out of time or memory, but only if the same tests pass in a
fork without the change; one that fails there too is left out. A mutant for which survivors.toml has a reason
gets BRIEF seconds of its tests only. Results stand in .mutants, where it goes on after a stop: a kill holds
until its module changes, what lived until any module or test does. SHARE=8 tries one in eight of the rest.
"""

import ast
import gc
import json
import mmap
import os
import random
import re
import resource
import signal
import sys
import time
import tomllib
import traceback
import types
from collections import Counter, defaultdict
from difflib import ndiff
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import coverage
import processes
import pytest
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".mutants"
RECORD, RESULTS = KEPT / "record.json", KEPT / "results.jsonl"
CORE = "nodes graph layers losses network".split()
BEHIND = [f"guards/{name}" for name in [*CORE, "numbers", "numeric", "guests", "training"]]
MODULES = [*CORE, *BEHIND, "numeric", "gradcheck", "training"]
PATH = {module: str(ROOT / "src" / "chainrule" / f"{module}.py") for module in MODULES}
TESTS = """reached_for odd_uses layers network bad_inputs training_mode convolution guests nodes graph
more_nodes dropout_and_batch_norm trace foreign_layers gradcheck properties""".split()
REASONS = tomllib.loads(Path(__file__).with_name("survivors.toml").read_text(encoding="utf-8"))
WANTED, WORKERS, BRIEF, MEMORY = 0.95, 2, 2.0, 4 << 30

KINDS = """Add Sub Mult Div FloorDiv Mod Pow LShift RShift BitOr BitAnd BitXor
Eq NotEq Lt LtE Gt GtE Is IsNot, UAdd USub Invert Not, And Or, In NotIn, Is IsNot, Break Continue"""
KINDS = [kind.split() for kind in re.split("[,\n]", KINDS)]
OTHERS = {one: [other for other in kind if other != one] for kind in KINDS for one in kind}
OTHERS["MatMult"] = KINDS[0]


def broken(node):
    """What may stand in the place of this node."""

    def but(field, *values):
        return (type(node)(**{**vars(node), field: value}) for value in values)

    def others(old):
        return [getattr(ast, name)() for name in OTHERS.get(type(old).__name__, ())]

    match node:
        case ast.Constant(value=bool(value)):
            yield from but("value", not value)
        case ast.Constant(value=int(value) | float(value)):
            yield from but("value", value + 1, value - 1)
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) | ast.UnaryOp(op=op):
            yield from but("op", *others(op))
        case ast.Compare(ops=ops):
            for i, (old, right) in enumerate(zip(ops, node.comparators)):
                some = others(old)
                if isinstance(old, (ast.Eq, ast.NotEq)) and isinstance(right, ast.Constant):
                    some = some[:-2]  # `is` and `is not`, since of a small number there is only one
                yield from but("ops", *([*ops[:i], one, *ops[i + 1 :]] for one in some))
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield from but("test", ast.UnaryOp(ast.Not(), test))
        case ast.For():
            yield from but("iter", ast.List([], ast.Load()))
        case ast.ExceptHandler(type=ast.expr()):
            yield from but("type", ast.Tuple([], ast.Load()))
        case ast.Break() | ast.Continue():
            yield from others(node)
    if isinstance(node, ast.UnaryOp):
        yield node.operand
    marks = getattr(node, "decorator_list", [])
    yield from but("decorator_list", *(marks[:i] + marks[i + 1 :] for i in range(len(marks))))


class Mutant:
    """A module with another tree: `new` at parts[at], within a statement or the head of one."""

    def __init__(self, module, tree, statement, parts, at, new):
        self.module, self.tree, self.place = module, tree, (parts, at, new)
        body, marks = (getattr(statement, name, []) for name in ("body", "decorator_list"))
        end = max(body[0].lineno - 1, statement.lineno) if body else statement.end_lineno
        self.lines = range(min(part.lineno for part in [statement, *marks]), end + 1)
        node, before = parts[at], ast.unparse(statement)
        parts[at] = new
        after = ast.unparse(new if node is statement else statement)
        parts[at] = node
        diff = ndiff(before.splitlines(), after.splitlines())
        diff = [line for line in diff if line[0] in "+-"]
        self.name = "\n".join([f"{module}.py:{statement.lineno}", *diff])
        says = max(diff, key=lambda line: line[0] == "+")[2:].strip()
        lines = ((kind, one.get(module, ())) for kind in REASONS for one in REASONS[kind].values())
        said = (kind for kind, some in lines for line in some if re.search(line, says))
        self.reason = next(said, None)  # "equal", "lived" or None

    def codes(self, broken):
        """Of the module and of all functions in it; once broken, it stays so."""
        parts, at, new = self.place
        if broken:
            parts[at] = new
        return codes(compile(ast.fix_missing_locations(self.tree), PATH[self.module], "exec"))


def mutants_of(module):
    tree = ast.parse(Path(PATH[module]).read_text(encoding="utf-8"))

    def walk(parent, statement):
        for field, value in ast.iter_fields(parent):
            many = isinstance(value, list)
            for at in range(len(value)) if many else [field]:
                parts = value if many else vars(parent)
                if isinstance(node := parts[at], ast.AST):
                    within = node if isinstance(node, (ast.stmt, ast.ExceptHandler)) else statement
                    for new in broken(node):
                        yield Mutant(module, tree, within, parts, at, new)
                    yield from walk(node, within)

    return {one.name: one for one in walk(tree, None)}


def codes(code):
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return [code, *(one for part in inner for one in codes(part))]


def forked(work, *what):
    """Whether work(*what) is true, in a child."""
    if child := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code != 1, "this program failed, and not a test"
        return code == 0
    code = 1
    try:
        code = 0 if work(*what) else 3
    except KeyboardInterrupt:  # a test sends it, and nobody hears
        code = 3
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # at once: nothing of a mutant is tidied up


def with_tests(work, folder):
    """What work(items) says with the tests collected; False if they cannot be."""
    said = [False]

    def pytest_runtestloop(session):
        said.append(not session.testsfailed and work({one.nodeid: one for one in session.items}))
        return True

    tests = [f"{ROOT}/tests/test_{name}.py" for name in TESTS]
    quiet = ["-qq", "-s", "-W", "ignore::SyntaxWarning"]  # `is` beside a number
    options = ["-m", "not browser and not site", "-p", "no:cacheprovider", f"--basetemp={folder}"]
    plugin = types.SimpleNamespace(pytest_runtestloop=pytest_runtestloop)
    pytest.main([*quiet, *options, *tests], [plugin])
    return said[-1]


def run(items, tests, before):
    """The names of those that fail; before(name) is called ahead of each."""
    for name, following in pairwise([*tests, None]):
        before(name)
        reports = runtestprotocol(items[name], nextitem=items.get(following), log=False)
        if any(report.failed for report in reports):
            yield name


def record(of):
    """Write which tests run a line ("" is the import), and how many seconds each takes."""
    os.environ["COVERAGE_CORE"] = "ctrace"  # newer ones know no contexts
    cover = coverage.Coverage(data_file=None, include=[f"{ROOT}/src/*"], config_file=False)
    cover.start()
    for module in MODULES:
        __import__(f"chainrule.{module}".replace("/", "."))
    cover.switch_context("collection")
    begun = {}

    def before(name):
        cover.switch_context(name)
        begun[name] = time.process_time()

    with_tests(lambda items: [*run(items, items, before)], KEPT / "tests")
    cover.stop()
    times = pairwise([*begun.values(), time.process_time()])
    seconds = {name: end - start for name, (start, end) in zip(begun, times)}
    lines = {module: cover.get_data().contexts_by_lineno(PATH[module]) for module in MODULES}
    return RECORD.write_text(json.dumps([of, lines, seconds]), encoding="utf-8")


def try_all(mutants, of, folder):
    """Try them, and write down what came of it."""
    running, seconds = json.loads(RECORD.read_text(encoding="utf-8"))[1:]
    at = mmap.mmap(-1, 4)  # which of its tests a child has come to
    sound, killers = set(), Counter()

    def of_lines(mutant):
        """The tests that run its lines."""
        lines = running[mutant.module]
        return {name for line in mutant.lines for name in lines.get(str(line), ())}

    def in_functions(items):
        living = defaultdict(list)
        for one in gc.get_objects():
            if isinstance(one, types.FunctionType):
                living[one.__code__].append(one)
        gc.freeze()  # what a child does not look at need not be copied

        def changed(mutant, work):
            pairs = zip(mutant.codes(False), mutant.codes(True), strict=True) if mutant else ()
            for old, new in pairs:
                for function in living[old]:
                    function.__code__ = new
            return work(items)

        for mutant in late:
            judge(mutant, of_lines(mutant) & seconds.keys(), changed)
        return True

    def at_import(mutant, work):
        get, new = SourceFileLoader.get_code, {}
        if mutant:
            new[PATH[mutant.module]] = mutant.codes(True)[0]
        SourceFileLoader.get_code = lambda it, name: new.get(it.path) or get(it, name)
        return with_tests(work, folder)

    def judge(mutant, tests, changed):
        near, killer = (mutant.module, mutant.lines), None
        tests = sorted(tests, key=lambda name: (-killers[near, name], seconds[name]))
        while mutant.reason and sum(map(seconds.get, tests)) > BRIEF:
            tests.pop()
        while killer is None and not forked(passes, mutant, tests, changed):
            until = tests[: int.from_bytes(at[:]) + 1]
            if tuple(until) in sound or forked(passes, None, until, changed):
                sound.add(tuple(until))
                killer = until[-1]
                killers[near, killer] += 1
            else:
                print(f"Left out, since it fails without a mutant: {tests.pop(len(until) - 1)}")
        with RESULTS.open("a", encoding="utf-8") as file:
            row = of[mutant.module if killer else "all"], mutant.name, killer
            file.write(json.dumps(row) + "\n")

    def passes(mutant, tests, changed):
        def before(name):
            at[:] = tests.index(name).to_bytes(4)
            signal.setitimer(signal.ITIMER_PROF, 4 + 12 * seconds[name])  # of the processor
            signal.alarm(60 + int(60 * seconds[name]))  # of the clock

        signal.alarm(300)  # what loops at import never comes to a test
        at[:], nowhere = bytes(4), os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1), os.dup2(nowhere, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        return changed(mutant, lambda items: not any(run(items, tests, before)))

    late = [mutant for mutant in mutants if "" not in of_lines(mutant)]
    assert forked(with_tests, in_functions, folder)
    for mutant in set(mutants).difference(late):
        judge(mutant, seconds, at_import)


def table(mutants, found):
    """Print it. Whether enough were killed, and each of the others has its reason."""
    for row in [*MODULES, "in all"]:
        here = [name for name in found if row in (mutants[name].module, "in all")]
        lived = [name for name in here if found[name] is None]
        killed = len(here) - len(lived)
        wanted = len(here) - sum(mutants[name].reason == "equal" for name in lived)
        shares = f"killed, {killed / max(1, len(here)):6.1%}; {killed / max(1, wanted):6.1%} of the"
        print(f"{row:<16}{killed:>5} of {len(here):>5} {shares} {wanted:>5} that can be noticed")
    odd = sorted(name for name in lived if not mutants[name].reason)
    for name in odd:
        print(f"\nThis one lived, and survivors.toml does not say why:\n{name}")
    return killed >= WANTED * wanted and not odd


def main(share=1):
    processes.descendants = set  # to look for them takes longer than most mutants live
    KEPT.mkdir(exist_ok=True)
    RESULTS.touch()
    paths = {module: [PATH[module]] for module in MODULES}
    paths["all"] = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/*.py")])
    texts = {key: b"".join(Path(path).read_bytes() for path in paths[key]) for key in paths}
    of = {key: sha256(text).hexdigest()[:16] for key, text in texts.items()}
    mutants = {name: one for module in MODULES for name, one in mutants_of(module).items()}

    def found():
        """{name: what killed it, or None}, of those that are as they were."""
        rows = map(json.loads, RESULTS.read_text(encoding="utf-8").splitlines())
        rows = [(at, mutants[name], by) for at, name, by in rows if name in mutants]
        return {one.name: by for at, one, by in rows if at == of[one.module if by else "all"]}

    if not RECORD.exists() or json.loads(RECORD.read_text(encoding="utf-8"))[0] != of["all"]:
        assert forked(record, of["all"])
    waiting = [mutants[name] for name in mutants.keys() - found().keys()]
    random.shuffle(waiting)
    waiting = waiting[::share]
    print(f"{len(waiting)} mutants to try", flush=True)
    parts = [(waiting[n::WORKERS], of, KEPT / f"tests{n}") for n in range(WORKERS)]
    workers = [get_context("fork").Process(target=try_all, args=part) for part in parts]
    for step in "start", "join":
        for worker in workers:
            getattr(worker, step)()
    assert not any(worker.exitcode for worker in workers)
    return table(mutants, found())


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
