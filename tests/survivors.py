"""Judge what `make mutants` found: at least 95 in 100 killed, and a reason beside each one that lived.

The reasons stand in survivors.toml, beside regular expressions for what the changed line says.

    python tests/survivors.py SESSION...        sessions of cosmic-ray, one a module: .mutants/guards/nodes/session
"""

import re
import sqlite3
import sys
import tomllib
from pathlib import Path

WANTED = 0.95
REASONS = tomllib.loads(Path(__file__).with_name("survivors.toml").read_text(encoding="utf-8"))
FOUND = """
select test_outcome, diff from work_results join mutation_specs using (job_id)
where worker_outcome = 'NORMAL' order by start_pos_row, start_pos_col
"""


def changed(diff):
    """The lines that a mutant put in, or for want of such those it took out, as one text."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    new, old = ([line[1:].strip() for line in lines if line.startswith(sign)] for sign in "+-")
    return "\n".join(filter(None, new)) or "\n".join(filter(None, old))


def module_of(session):
    """The module's path without its ending: guards/nodes is another one than nodes."""
    folders = Path(session).parent.parts
    return "/".join(folders[folders.index(".mutants") + 1 :])


def judge(session):
    """(how many were killed, how many were tried, the diffs of those that lived without a reason)."""
    module = module_of(session)
    explained = [line for reason in REASONS["survivors"] for line in reason.get(module, ())]
    found = sqlite3.connect(session).execute(FOUND).fetchall()
    lived = [diff for outcome, diff in found if outcome.lower() == "survived"]
    return (
        len(found) - len(lived),
        len(found),
        [diff for diff in lived if not any(re.search(line, changed(diff)) for line in explained)],
    )


def main(sessions):
    killed = tried = 0
    unexplained = []
    for session in sessions:
        here, of, odd = judge(session)
        print(f"{module_of(session):<18}{here:>5} of {of:>5} killed, {here / of:.1%}")
        killed, tried, unexplained = killed + here, tried + of, unexplained + odd
    print(f"{'in all':<18}{killed:>5} of {tried:>5} killed, {killed / tried:.1%}")
    for diff in unexplained:
        print(f"\nThis one lived, and survivors.toml does not say why:\n{diff}")
    return killed >= WANTED * tried and not unexplained


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
