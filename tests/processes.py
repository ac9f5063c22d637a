"""Programs that tests start: they hear Ctrl-C, and none of them outlives its test."""

import os
import signal
import subprocess
from contextlib import contextmanager, suppress

import psutil
import pytest

MARK = "CHAINRULE_TESTS"  # in the environment of all that this process of the tests starts
PATIENCE = 3.0  # seconds for one that is about to end


def listen_to_ctrl_c():
    """Undo that SIGINT is ignored: so it is in a background job (`make test &`), and in all that this starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def running(command, patience=0.0, **options):
    """A process in a group of its own. When the block ends, however it ends, the group does too.

    With `patience`, the process is asked first, and has so many seconds to end what it has started.
    """
    with subprocess.Popen(command, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            with suppress(subprocess.TimeoutExpired):
                if patience:
                    process.terminate()
                    process.wait(patience)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def descendants():
    """What this process of the tests has started, and what that has started, even if it is nobody's child by now."""
    found = set(psutil.Process().children(recursive=True))
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == str(os.getpid()):
                found.add(process)
    return [process for process in found if process.pid != os.getpid() and is_alive(process)]


def is_alive(process):
    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_running():
    """Fail, at the very end, if a program that a test started still runs; and end it."""
    before = set(descendants())
    os.environ[MARK] = str(os.getpid())
    yield
    left = set(descendants()) - before
    _, left = psutil.wait_procs(left, timeout=PATIENCE)
    said = []
    for process in left:
        with suppress(psutil.Error):
            said.append(" ".join(process.cmdline())[:200])
            process.kill()
    if said:
        pytest.fail("still running after the tests: " + "; ".join(said), pytrace=False)
