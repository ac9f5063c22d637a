"""An install from a lock holds, whatever is published tomorrow: also with the pip that an old Python brings."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
MAKE = ["make", "--dry-run", "--always-make", "--no-print-directory"]

# What ensurepip brings: 22.3 comes with Python 3.11.0, and 23.2.1 with 3.12.0.
OLD_PIPS = {
    "22.3": "1daab4b8d3b97d1d763caeb01a4640a2250a0ea899e257b1e44b9eded91e15ab",
    "23.2.1": "7ccf472345f20d35bdc9d1841ff5f313260c2c33fe417f48c30ac46cccabf5be",
}


def environments():
    """What `make` runs to make each environment: a list of commands for each."""
    said = [
        subprocess.run([*MAKE, target], cwd=ROOT, capture_output=True, text=True, check=True)
        for target in (".venv/.ready", ".venv-peers/.ready")
    ]
    return {path: one.stdout for path, one in zip(("make env", "make peers"), said, strict=True)}


def texts():
    """Everything that may install something, by the place where it stands."""
    names = ["README.md", "CONTRIBUTING.md", ".ci/run", ".binder/postBuild"]
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in names} | environments()
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        texts[path.name] = "\n".join(step.get("run", "") for job in jobs for step in job["steps"])
    return texts


def installs(text):
    """The arguments of each `pip install` of a file of pins: ["install", "--no-deps", ...]."""
    lines = re.findall(r"pip\S* (install .*)", text)
    return [words for line in lines if {"-r", "--requirement"} & set(words := shlex.split(line))]


COMMANDS = {place: found for place, text in texts().items() if (found := installs(text))}


def test_each_lock_is_installed_somewhere():
    files = {words[-1] for found in COMMANDS.values() for words in found}
    assert files == {"requirements.txt", "benchmarks/requirements.txt", ".binder/lock.txt"}
    assert not (ROOT / ".binder" / "requirements.txt").exists(), (
        "Binder would install it its own way"
    )


@pytest.mark.parametrize("place", COMMANDS)
def test_a_lock_is_installed_without_asking_for_more_and_then_checked(place):
    for words in COMMANDS[place]:
        assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(words), words
    assert re.search(r"pip check\b", texts()[place].rpartition(" -r ")[2])


def guard(version):
    """What `make env` says of a Python of this version: exit code, standard output, standard error."""
    lines = re.findall(r"^\S+ -c '(import sys; v = .*)'$", environments()["make env"], re.MULTILINE)
    here = f"import sys; sys.version_info, sys.version = {version}, '.'.join(map(str, {version}))"
    for line in lines:
        done = subprocess.run(
            [sys.executable, "-c", f"{here}; {line}"], capture_output=True, text=True
        )
        if done.returncode or done.stdout:
            break
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("minor", [11, 12, 13, 14])
def test_a_python_that_is_tested_is_taken_without_a_word(minor):
    assert guard((3, minor, 1)) == (0, "", "")


def test_an_older_python_is_refused_and_a_newer_one_gets_a_warning():
    code, _, said = guard((3, 10, 13))
    assert code == 1 and "Python 3.11 or newer is wanted, 3.10.13 was found" in said
    code, said, _ = guard((3, 15, 0))
    assert code == 0 and "Python 3.15.0 is newer than what this was tested on" in said


def test_what_no_hash_can_hold_is_pinned_to_the_same_version_in_both_places():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (unhashed,) = re.findall(r"^UNHASHED := (.*)", makefile, re.MULTILINE)
    assert set(unhashed.split()) <= set(project["dependency-groups"]["peers"])
    (torch,) = project["tool"]["uv"]["dependency-metadata"]
    assert f"{torch['name']}=={torch['version']}" in unhashed.split()
    lock = (ROOT / "benchmarks" / "requirements.txt").read_text(encoding="utf-8")
    for name in (re.match(r"[\w-]+", line)[0] for line in torch["requires-dist"]):
        assert re.search(rf"^{name}==.* \\\n    --hash", lock, re.MULTILINE), name


# ---------------------------------------------------------------- on Windows, which is not here


WINDOWS = {
    name: re.search(r"```text\n(py -m venv .*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL)[1]
    for name in ("README.md", "CONTRIBUTING.md")
}


@pytest.mark.parametrize("name", WINDOWS)
def test_the_lines_for_windows_are_those_of_make_and_name_what_is_there(name):
    made, *lines = WINDOWS[name].strip().splitlines()
    assert made == "py -m venv .venv"
    for line in lines:
        program, *words = line.replace("\\", "/").split()
        assert program.startswith(".venv/Scripts/")
        assert shutil.which(Path(program).name, path=Path(sys.executable).parent), line
        for word in words:  # a folder or a file
            if "/" in word or word.endswith((".txt", ".py")) or word in ("book", "tests"):
                assert (ROOT / word).exists(), line
    pip = [line.partition(" -m pip ")[2].replace(" -e .", " --editable .") for line in lines]
    asked = re.findall(r"/pip (.+)", environments()["make env"])
    quiet = [re.sub(r" --(quiet|disable-pip-version-check|no-compile)\b", "", one) for one in asked]
    assert [one for one in pip if one] == quiet


# ---------------------------------------------------------------- with an old pip


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder of wheels: `wanted` asks for needed[more], whose newest version the lock does not know yet."""
    folder = tmp_path_factory.mktemp("published")
    needed = wheel(folder, "needed", "1", "Provides-Extra: more")
    wheel(folder, "needed", "2", "Provides-Extra: more")
    wanted = wheel(folder, "wanted", "1", "Requires-Dist: needed[more]>=1")
    lock = [
        f"{name}==1 --hash=sha256:{sha}\n" for name, sha in (("needed", needed), ("wanted", wanted))
    ]
    (folder / "lock.txt").write_text("".join(lock), encoding="utf-8")
    return folder


def wheel(folder, name, version, line):
    """Write a wheel that holds nothing; its hash."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", "")
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{line}\n"
        file.writestr(f"{info}/METADATA", about)
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module", params=OLD_PIPS)
def old_pip(request, tmp_path_factory):
    """A folder that holds an old pip, from the registry."""
    version = request.param
    if version == "22.3" and sys.version_info >= (3, 12):
        pytest.skip("pip 22.3 does not run on this Python, which brings a newer one")
    folder = tmp_path_factory.mktemp("pip")
    pin = folder / "pin.txt"
    pin.write_text(f"pip=={version} --hash=sha256:{OLD_PIPS[version]}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps"]
    done = subprocess.run(
        [*command, "-r", pin, "-d", folder], capture_output=True, text=True, timeout=300
    )
    if done.returncode and not os.environ.get("CI"):
        pytest.skip(f"pip {version} could not be fetched: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as file:
        file.extractall(folder)
    return folder


@pytest.fixture
def pip(old_pip, published, tmp_path):
    """pip(*arguments) runs the old pip in a fresh environment, for which only those wheels are published."""
    venv.create(tmp_path / "env", with_pip=False)
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    settings |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    settings |= {"PIP_FIND_LINKS": str(published), "PYTHONPATH": str(old_pip)}
    (python,) = tmp_path.glob("env/*/python")

    def run(*arguments):
        return subprocess.run(
            [python, "-m", "pip", *arguments],
            cwd=published, env=settings, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    return run


# Without what changes only what is said and kept: each way that is left is tried.
SAID_AND_KEPT = {"--quiet", "--disable-pip-version-check", "--no-cache-dir"}
WAYS = {
    tuple(word for word in words[:-1] if word not in SAID_AND_KEPT)
    for found in COMMANDS.values()
    for words in found
}


@pytest.mark.parametrize("words", sorted(WAYS), ids=" ".join)
def test_a_newer_release_than_the_locked_one_changes_nothing(words, pip, tmp_path):
    done = pip(*words, "lock.txt")
    assert done.returncode == 0, done.stderr
    found = {path.stem for path in tmp_path.rglob("*.dist-info")}
    assert found == {"needed-1", "wanted-1"}


def test_an_old_pip_that_may_ask_for_more_fails(pip):
    """So that the test above can fail: without --no-deps, the newest release is in the way."""
    (words,) = COMMANDS["make env"]
    done = pip(*(word for word in words[:-1] if word != "--no-deps"), "lock.txt")
    assert done.returncode and "needed" in done.stderr and "hash" in done.stderr.lower()


def test_a_lock_in_which_something_is_missing_does_not_pass_the_check(pip, published):
    whole = (published / "lock.txt").read_text(encoding="utf-8")
    (published / "half.txt").write_text(whole.partition("\n")[2], encoding="utf-8")
    (words,) = COMMANDS["make env"]
    assert pip(*words[:-1], "half.txt").returncode == 0
    checked = pip("check")
    assert checked.returncode and "needed" in checked.stdout


@pytest.mark.skipif(os.name != "posix", reason="folders are locked in another way there")
@pytest.mark.parametrize("target", ["env", "book"])
def test_in_a_folder_that_cannot_be_written_to_make_says_so_and_what_to_do(target):
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path: it is closed to other users
        for name in ("Makefile", "requirements.txt", "pyproject.toml", "_config.yml", "_toc.yml"):
            os.chmod(shutil.copy(ROOT / name, folder), 0o644)  # whatever the umask
        for name in ("book", "src", "_theme", "third_party"):
            os.mkdir(Path(folder, name))
        os.chmod(folder, 0o555)
        user = {"user": "nobody"} if os.getuid() == 0 else {}  # root writes anywhere
        ran = subprocess.run(["make", target], cwd=folder, capture_output=True, text=True, **user)
        os.chmod(folder, 0o755)
    assert ran.returncode != 0
    assert "cannot be written to" in ran.stderr and "copy it" in ran.stderr
    assert "Traceback" not in ran.stderr
