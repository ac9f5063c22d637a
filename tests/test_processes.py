"""Tests of the tests: what one of them starts hears Ctrl-C, and does not outlive it."""

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from processes import running

TESTS = Path(__file__).parent
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
CONFTEST = "from processes import listen_to_ctrl_c, nothing_is_left_running\nlisten_to_ctrl_c()\n"


def session(folder, text, *prefix):
    """Run a file of tests with what our conftest takes from processes.py: exit code and all that it says."""
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    settings = os.environ | {"PYTHONPATH": str(TESTS), "PYTHONDONTWRITEBYTECODE": "1"}
    settings["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = (
        "1"  # it needs none, and starts in a third of the time
    )
    command = [*prefix, *PYTEST, "--rootdir", str(folder), str(folder)]
    done = subprocess.run(
        command, cwd=folder, env=settings, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


LEAVE = {
    "its child": "subprocess.Popen(['sleep', '{}'])",
    "a child of its child": "subprocess.run(['bash', '-c', 'sleep {} & sleep 0.1'])",
    "one in a session of its own": "subprocess.Popen(['sleep', '{}'], start_new_session=True)",
}


@pytest.mark.parametrize("who", LEAVE)
def test_a_test_that_leaves_a_program_running_fails_and_the_program_ends(who, tmp_path):
    seconds = f"{os.getpid()}{list(LEAVE).index(who)}"  # by which it is found
    text = f"import subprocess\n\ndef test_it():\n    {LEAVE[who].format(seconds)}\n"
    code, said = session(tmp_path, text)
    assert code == 1 and "1 passed, 1 error" in said, said
    assert f"still running after the tests: sleep {seconds}" in said
    assert not [p for p in psutil.process_iter(["cmdline"]) if seconds in (p.info["cmdline"] or ())]


def test_a_test_that_ends_what_it_starts_passes(tmp_path):
    text = (
        "import subprocess\n\ndef test_it():\n    subprocess.run(['bash', '-c', 'sleep 0.1 &'])\n"
    )
    code, said = session(tmp_path, text)
    assert code == 0 and "1 passed" in said, said


def test_a_block_that_fails_ends_what_it_started_with_all_that_this_started():
    with pytest.raises(ZeroDivisionError):
        with running(["bash", "-c", "sleep 60 & wait"]) as process:
            while not (children := psutil.Process(process.pid).children()):
                time.sleep(0.01)
            raise ZeroDivisionError
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert process.returncode == -signal.SIGKILL and gone and not alive


# A shell that is not interactive starts a job in the background with SIGINT ignored; all that this starts inherits it.
BACKGROUND = ["bash", "-c", '"$@" < /dev/null & wait $!', "bash"]
INTERRUPT = """
import signal, subprocess, sys
import pytest
from processes import running

def test_it():
    program = "import time; print('here', flush=True); time.sleep(60)"
    with running([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=10)
    assert b"KeyboardInterrupt" in said
"""


def test_a_test_that_sends_ctrl_c_passes_in_a_background_job(tmp_path):
    code, said = session(tmp_path, INTERRUPT, *BACKGROUND)
    assert code == 0 and "1 passed" in said, said


def test_what_the_tests_start_in_a_background_job_would_ignore_ctrl_c_otherwise():
    program = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    command = [*BACKGROUND, sys.executable, "-c", program]
    assert subprocess.check_output(command, text=True) == "True\n"


def test_the_interrupted_ones_pass_in_a_background_job():
    command = [
        *BACKGROUND,
        *PYTEST,
        "tests/test_interrupted.py",
        "-k",
        "download or training or SIGINT",
    ]
    done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout


def test_every_program_that_goes_on_beside_a_test_is_started_by_running():
    """subprocess.run and check_output wait for theirs, and end it if they are interrupted."""
    found = [
        f"{path.name}:{node.lineno}"
        for path in sorted(TESTS.glob("*.py"))
        if path.name not in ("processes.py", "mutants.py")  # no test: it forks for each mutant
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in ("Popen", "spawnv", "posix_spawn", "fork")
    ]
    assert found == []
