"""Data: what ships, what is read, and what is said when it is missing or damaged."""

import gzip
import hashlib
import os
import struct

import numpy as np
import pytest

from chainrule import datasets
from chainrule.datasets import (
    MNIST_FILES,
    load_digits,
    load_mnist,
    load_three_mnist_images,
    make_moons,
    make_spirals,
)


def test_digits_come_as_1437_and_360_images():
    (x, t), (x_test, t_test) = load_digits()
    assert (x.shape, t.shape, x_test.shape, t_test.shape) == ((1437, 64), (1437,), (360, 64), (360,))
    assert x.dtype == np.float64 and t.dtype == np.int64
    assert x.min() == 0.0 and x.max() == 1.0
    assert set(t) == set(t_test) == set(range(10))


def test_no_digit_is_both_trained_and_tested_on():
    (x, _), (x_test, _) = load_digits()
    assert not {row.tobytes() for row in x} & {row.tobytes() for row in x_test}


def test_every_call_gives_fresh_arrays():
    (x, _), _ = load_digits()
    x[:] = 0.0
    assert load_digits()[0][0].max() == 1.0


def test_three_mnist_images_are_a_five_a_zero_and_a_four():
    x, t = load_three_mnist_images()
    assert x.shape == (3, 784) and x.max() == 1.0
    assert t.tolist() == [5, 0, 4]


def test_the_sources_and_licences_ship_beside_the_data():
    text = (datasets.files("chainrule") / "data" / "SOURCES.txt").read_text()
    for name in ("digits.npz", "three_mnist_images.npz", "CC BY 4.0", "CC BY-SA 3.0"):
        assert name in text


def idx(array):
    head = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A folder with four small IDX files, half of them gzipped, and the table of their checksums."""
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 256, (6, 28, 28)),
        rng.integers(0, 10, 6),
        rng.integers(0, 256, (2, 28, 28)),
        rng.integers(0, 10, 2),
    ]
    table = {}
    for k, (name, array) in enumerate(zip(MNIST_FILES, arrays, strict=True)):
        content = idx(array)
        table[name] = (hashlib.md5(content).hexdigest(), "0" * 32)
        if k % 2:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(datasets, "MNIST_FILES", table)
    return tmp_path, arrays


def test_raw_and_gzipped_files_are_read_from_a_folder(small_mnist):
    folder, arrays = small_mnist
    (x, t), (x_test, t_test) = load_mnist(folder)
    np.testing.assert_array_equal(x, arrays[0].reshape(6, 784) / 255.0)
    assert t.tolist() == arrays[1].tolist() and t.dtype == np.int64
    assert x_test.shape == (2, 784) and t_test.shape == (2,)


def test_a_folder_without_a_file_says_which_and_what_to_put_where(small_mnist):
    folder, _ = small_mnist
    (folder / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="t10k-images-idx3-ubyte or .* is missing") as caught:
        load_mnist(folder)
    assert all(f"{name}.gz" in str(caught.value) for name in MNIST_FILES)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-5], "bytes, wanted"),
        (lambda content: content[:9], "cut short"),
        (lambda content: b"\1\2\3\4" + content[4:], "not an IDX file"),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "damaged or misnamed"),
        (lambda content: b"", "not an IDX file"),
    ],
)
def test_a_damaged_file_is_named(small_mnist, damage, said):
    folder, _ = small_mnist
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=said) as caught:
        load_mnist(folder)
    assert str(path) in str(caught.value)


def test_a_truncated_gzip_file_is_named(small_mnist):
    folder, _ = small_mnist
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(ValueError, match="not a whole gzip file"):
        load_mnist(folder)


def test_swapped_files_are_recognised(small_mnist):
    folder, _ = small_mnist
    one, other = folder / "train-images-idx3-ubyte", folder / "t10k-images-idx3-ubyte"
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])
    with pytest.raises(ValueError, match="has the content of t10k-images-idx3-ubyte"):
        load_mnist(folder)


def test_absent_and_offline_says_what_to_put_where(tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch")

    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(pooch, "retrieve", offline)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "cache"))
    with pytest.raises(ConnectionError, match="put the four files train-images") as caught:
        load_mnist()
    assert str(tmp_path / "cache") in str(caught.value)


def test_a_download_is_checked_and_kept(small_mnist, tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch")
    folder, _ = small_mnist
    asked = []

    def retrieve(url, known_hash, fname, path, progressbar):
        asked.append((url, known_hash, progressbar))
        path.mkdir(exist_ok=True)
        plain = folder / fname.removesuffix(".gz")
        content = plain.read_bytes() if plain.exists() else gzip.decompress((folder / fname).read_bytes())
        (path / fname).write_bytes(gzip.compress(content))
        return str(path / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "cache"))
    load_mnist()
    assert [known for _, known, _ in asked] == ["md5:" + "0" * 32] * 4
    assert all(url.startswith("https://") and bar for url, _, bar in asked)
    load_mnist()
    assert len(asked) == 4


@pytest.mark.skipif("CHAINRULE_MNIST" not in os.environ, reason="set CHAINRULE_MNIST to MNIST's folder")
def test_the_real_mnist_has_60000_and_10000_images():
    (x, t), (x_test, t_test) = load_mnist(os.environ["CHAINRULE_MNIST"])
    assert (x.shape, x_test.shape) == ((60000, 784), (10000, 784))
    assert (len(t), len(t_test)) == (60000, 10000)
    np.testing.assert_array_equal(x[:3], load_three_mnist_images()[0])


def test_points_are_drawn_by_the_rng_alone():
    for make in (make_spirals, make_moons):
        first, again = (make(rng=np.random.default_rng(5)) for _ in range(2))
        np.testing.assert_array_equal(first[0], again[0])
        assert first[0].shape == (len(first[1]), 2) and first[1].dtype == np.int64


def test_spirals_have_as_many_points_and_arms_as_asked():
    x, t = make_spirals(7, 4, noise=0.0, rng=np.random.default_rng(0))
    assert np.bincount(t).tolist() == [7, 7, 7, 7]
    np.testing.assert_allclose(np.hypot(*x.T).reshape(4, 7)[2], np.linspace(0, 1, 7))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"rng": 0}, TypeError),
        ({"n": 0, "rng": np.random.default_rng(0)}, ValueError),
        ({"n": 2.5, "rng": np.random.default_rng(0)}, ValueError),
        ({"noise": -1, "rng": np.random.default_rng(0)}, ValueError),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, error):
    with pytest.raises(error, match="must be"):
        make_moons(**arguments)
