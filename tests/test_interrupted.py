"""A bad day: whoever is interrupted finds everything whole afterwards, and is told how far it came."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from processes import running

ROOT = Path(__file__).parents[1]


def start(program, *arguments, **options):
    """A Python program, its output as a pipe of lines, which ends with the block."""
    return running(
        [sys.executable, "-u", "-c", textwrap.dedent(program), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def interrupt_after(process, word):
    """Send Ctrl-C once the process has printed the word; everything that it prints."""
    seen = ""
    for line in process.stdout:
        seen += line
        if word in line:
            process.send_signal(signal.SIGINT)
            break
    rest, _ = process.communicate(timeout=60)
    return seen + rest


# ---------------------------------------------------------------- training

TRAINING = """
    import numpy as np
    from chainrule.network import two_layer_net
    from chainrule.training import train

    def run(updates):
        rng = np.random.default_rng(0)
        network = two_layer_net(20, 300, 5, rng)
        x, t = rng.normal(size=(2000, 20)), rng.integers(0, 5, 2000)
        return network, train(network, (x, t), rng=rng, updates=updates, progress=False), (x, t)

    network, records, (x, t) = run(10**9)
    done = 0
    try:
        for record in records:
            done = record.step
            if done == 20:
                print("under way")
    except KeyboardInterrupt as stopped:
        print("says:", stopped)
    same = {}
    for updates in (done, done + 1):
        again, records, _ = run(updates)
        for record in records:
            pass
        pairs = zip(network.params.values(), again.params.values(), strict=True)
        same[updates] = all(np.array_equal(a, b) for a, b in pairs)
    print("whole updates:", any(same.values()), "told:", [n for n in same if same[n]])
    print("usable:", np.isfinite(network.loss(x, t)), np.isfinite(network.accuracy(x, t)))
"""


def test_ctrl_c_in_training_leaves_whole_updates_and_says_how_many():
    said = interrupted_training()
    while "says: \n" in said:  # it came between two updates, in the loop of whoever trains
        assert "whole updates: True" in said, said
        said = interrupted_training()
    assert "whole updates: True" in said, said
    assert "usable: True True" in said
    told = said.partition("told: [")[2].partition("]")[0]
    assert f"says: training stopped after update {told} of 1000000000" in said


def interrupted_training():
    with start(TRAINING) as process:
        return interrupt_after(process, "under way")


# ---------------------------------------------------------------- a download

DOWNLOAD = """
    import sys
    from chainrule import datasets
    datasets.MNIST_MIRRORS = (sys.argv[1],)
    print("asking")
    datasets.load_mnist()
"""


@pytest.fixture
def half_a_server():
    """A server that sends half a file and then nothing: (address, an event for when it has)."""
    half_sent, done = threading.Event(), threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = server.accept()
        connection.recv(10_000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000)
        half_sent.set()
        done.wait(30)
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/", half_sent
    done.set()
    thread.join()
    server.close()


def test_ctrl_c_in_a_download_leaves_no_file_that_is_trusted(half_a_server, tmp_path):
    address, half_sent = half_a_server
    settings = os.environ | {"CHAINRULE_DATA": str(tmp_path)}
    with start(DOWNLOAD, address, env=settings) as process:
        assert half_sent.wait(30)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    assert process.returncode != 0 and "KeyboardInterrupt" in said
    assert [path.name for path in tmp_path.iterdir() if "ubyte" in path.name] == []


# ---------------------------------------------------------------- notebooks


def test_a_notebook_is_replaced_at_once(tmp_path, monkeypatch):
    import normalise

    path = tmp_path / "chapter.ipynb"
    path.write_text("the old one", encoding="utf-8")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        normalise.write_whole(path, "the new one, of which only half may be written")
    assert path.read_text(encoding="utf-8") == "the old one"
    assert [one.name for one in tmp_path.iterdir()] == ["chapter.ipynb"]


# ---------------------------------------------------------------- the book

BUILDER = """#!/usr/bin/env bash
# Stands in for jupyter-book: writes a page, and the others later.
out="$4/_build/html"; mkdir -p "$out"
echo "$(cat book/words)" > "$out/index.html"
echo half >> log
sleep "$(cat seconds)"
echo whole > "$out/last.html"
"""


@pytest.fixture
def workshop(tmp_path):
    """A folder, of an odd name, with our Makefile, and a builder that can be slow."""
    folder = tmp_path / "내 책, a copy (1)"
    for name in ("book", "src", "_theme", "third_party", ".venv/bin"):
        (folder / name).mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("_config.yml", "_toc.yml", "requirements.txt", "pyproject.toml", ".venv/.ready"):
        (folder / name).touch()
    builder = folder / ".venv" / "bin" / "jupyter-book"
    builder.write_text(BUILDER, encoding="utf-8")
    builder.chmod(0o755)
    (folder / "book" / "words").write_text("first", encoding="utf-8")
    (folder / "seconds").write_text("0", encoding="utf-8")
    return folder


def make_book(folder):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running(["make", "book"], cwd=folder, **quiet) as process:
        assert process.wait(timeout=30) == 0
    pages = folder / "_build" / "html"
    return (pages / "index.html").read_text().strip(), (pages / "last.html").exists()


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("built_before", [False, True])
def test_an_interrupted_build_is_not_taken_for_a_site(workshop, blow, built_before):
    if built_before:
        assert make_book(workshop) == ("first", True)
        time.sleep(0.01)
        (workshop / "log").unlink()
    (workshop / "book" / "words").write_text("second", encoding="utf-8")
    (workshop / "seconds").write_text("60", encoding="utf-8")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running(["make", "book"], cwd=workshop, **quiet) as process:
        end = time.monotonic() + 30
        while not (workshop / "log").exists() and time.monotonic() < end:
            time.sleep(0.02)
        os.killpg(process.pid, blow)
        process.wait(timeout=30)
    (workshop / "seconds").write_text("0", encoding="utf-8")
    assert make_book(workshop) == ("second", True)
    assert not (workshop / ".building").exists()
