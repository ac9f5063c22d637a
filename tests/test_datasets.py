"""Data: what ships, what is read, and what is said when it is missing or damaged."""

import gzip
import hashlib
import os
import struct
import sys

import numpy as np
import pytest

from chainrule import datasets
from chainrule.datasets import (
    MNIST_FILES,
    MNIST_MIRRORS,
    load_digits,
    load_mnist,
    load_three_mnist_images,
    make_moons,
    make_spirals,
)


def test_digits_come_as_1437_and_360_images():
    (x, t), (x_test, t_test) = load_digits()
    assert (x.shape, t.shape, x_test.shape, t_test.shape) == (
        (1437, 64),
        (1437,),
        (360, 64),
        (360,),
    )
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


def test_every_fifth_image_is_held_out():
    images, labels = datasets.load_packed("digits.npz")
    _, (x_test, t_test) = load_digits()
    np.testing.assert_array_equal(x_test[2], images[10].reshape(64) / 16)
    assert t_test.tolist() == labels[::5].tolist()


def test_a_caller_may_write_in_every_array():
    pairs = [*load_digits(), load_three_mnist_images()]
    assert all(x.flags.writeable and t.flags.writeable for x, t in pairs)


def test_source_and_licence_ship_beside_each_data_file():
    folder = datasets.files("chainrule") / "data"
    for name, licence in {"digits": "CC BY 4.0", "three_mnist_images": "CC BY-SA 3.0"}.items():
        text = (folder / f"{name}.txt").read_text(encoding="utf-8")
        assert (folder / f"{name}.npz").is_file() and f"{name}.npz" in text
        assert licence in text and "https://creativecommons.org/licenses/" in text


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


def test_pixels_come_as_float64_or_as_float32_when_asked(small_mnist):
    folder, arrays = small_mnist
    assert load_mnist(folder)[0][0].dtype == np.float64
    (x, t), (x_test, _) = load_mnist(folder, dtype=np.float32)
    assert x.dtype == x_test.dtype == np.float32 and t.dtype == np.int64
    np.testing.assert_allclose(x, arrays[0].reshape(6, 784) / 255.0, rtol=1e-7)
    with pytest.raises(ValueError, match="wants float64 or float32 as dtype, got 'int8'"):
        load_mnist(folder, dtype="int8")


def test_a_file_that_a_browser_unzipped_under_its_gz_name_is_read(small_mnist):
    folder, arrays = small_mnist
    path = folder / "t10k-images-idx3-ubyte"
    path.rename(folder / f"{path.name}.gz")
    assert load_mnist(folder)[1][0].shape == (2, 784)


def test_a_folder_without_a_file_says_which_and_downloads_nothing(small_mnist, monkeypatch):
    folder, _ = small_mnist
    monkeypatch.setattr(datasets, "download", lambda *_: pytest.fail("went to the network"))
    (folder / "t10k-images-idx3-ubyte").unlink()
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    said = "t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte. put the four"
    with pytest.raises(FileNotFoundError, match=said) as caught:
        load_mnist(folder)
    assert all(f"{name}.gz" in str(caught.value) for name in MNIST_FILES)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-5], "is cut short: 4715 bytes, wanted 4720"),
        (lambda content: content + b"\0", "is too long"),
        (lambda content: content[:9], "cut short"),
        (lambda content: b"\1\2\3\4" + content[4:], "not an IDX file"),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "has checksum .* it is damaged"),
        (lambda content: b"", "not an IDX file"),
        (lambda content: b"\0\0\x08\1" + content[4:], "with 3 axes: it starts with .*x01"),
    ],
)
def test_a_damaged_file_is_named(small_mnist, damage, said):
    folder, _ = small_mnist
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=said) as caught:
        load_mnist(folder)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-12],
        lambda packed: packed[:10] + b"\7" + packed[11:],  # no such kind of deflate block
        lambda packed: packed[:-8] + bytes(4) + packed[-4:],  # the checksum at the end
    ],
)
def test_a_damaged_gzip_file_is_named(small_mnist, damage):
    folder, _ = small_mnist
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="not a whole gzip file") as caught:
        load_mnist(folder)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("other", ["t10k-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"])
def test_swapped_files_are_recognised(small_mnist, other):
    folder, _ = small_mnist
    one, other = folder / "train-images-idx3-ubyte", folder / other
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])
    with pytest.raises(ValueError, match=f"has the content of {other.stem}: rename") as caught:
        load_mnist(folder)
    assert str(one) in str(caught.value)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and a way to say what the network answers to each address."""
    pooch = pytest.importorskip("pooch")
    pytest.importorskip("tqdm")
    folder = tmp_path / "cache"
    monkeypatch.setenv("CHAINRULE_DATA", str(folder))
    asked = []

    def network(answer):
        def call(downloader, url, output_file, *_, **__):
            asked.append(url)
            assert downloader.progressbar is True
            with open(output_file, "wb") as file:
                answer(url, file)

        monkeypatch.setattr(pooch.HTTPDownloader, "__call__", call)
        return asked

    return folder, network


def break_off(url, file):
    file.write(b"half a file")
    raise OSError("no network")


def serve(folder, monkeypatch):
    """An answer that sends the small files gzipped, with their checksums in the table."""
    packed, table = {}, {}
    for name, (content_sum, _) in datasets.MNIST_FILES.items():
        path = folder / name
        content = path.read_bytes() if path.exists() else datasets.unzipped(folder / f"{name}.gz")
        packed[f"{name}.gz"] = gzip.compress(content, mtime=0)
        table[name] = (content_sum, hashlib.md5(packed[f"{name}.gz"]).hexdigest())
    monkeypatch.setattr(datasets, "MNIST_FILES", table)
    return lambda url, file: file.write(packed[url.rsplit("/", 1)[1]])


def test_absent_and_offline_says_what_to_put_where(cache):
    folder, network = cache
    asked = network(break_off)
    with pytest.raises(ConnectionError, match="put the four files train-images") as caught:
        load_mnist()
    assert all(f"{name}.gz" in str(caught.value) for name in MNIST_FILES)
    assert str(folder) in str(caught.value)
    assert [url.rsplit("/", 1)[0] + "/" for url in asked] == list(MNIST_MIRRORS)


def test_a_download_that_breaks_off_leaves_no_file_behind(cache):
    folder, network = cache
    network(break_off)
    with pytest.raises(ConnectionError):
        load_mnist()
    assert list(folder.iterdir()) == []


def test_a_download_of_something_else_is_refused(cache):
    folder, network = cache
    network(lambda url, file: file.write(b"please log in"))
    with pytest.raises(ConnectionError, match="could not be downloaded"):
        load_mnist()
    assert list(folder.iterdir()) == []


def test_a_download_is_checked_and_kept(small_mnist, cache, monkeypatch):
    folder, network = cache
    asked = network(serve(small_mnist[0], monkeypatch))
    (x, _), _ = load_mnist()
    np.testing.assert_array_equal(x, small_mnist[1][0].reshape(6, 784) / 255.0)
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{n}.gz" for n in MNIST_FILES)
    assert len(asked) == 4 and all(url.startswith(MNIST_MIRRORS[0]) for url in asked)
    load_mnist()
    assert len(asked) == 4


def test_where_one_mirror_fails_the_next_is_asked(small_mnist, cache, monkeypatch):
    _, network = cache
    good = serve(small_mnist[0], monkeypatch)
    asked = network(
        lambda url, file: (good if url.startswith(MNIST_MIRRORS[1]) else break_off)(url, file)
    )
    load_mnist()
    assert len(asked) == 8


def test_a_cache_that_cannot_be_written_is_not_blamed_on_the_network(cache, monkeypatch):
    def refused(*_, **__):
        raise PermissionError("no")

    monkeypatch.setattr(sys.modules["pooch"], "retrieve", refused)
    with pytest.raises(PermissionError, match="cache cannot be written.*CHAINRULE_DATA"):
        load_mnist()


@pytest.mark.parametrize("package", ["pooch", "tqdm"])
def test_without_the_data_extra_the_error_says_how_else_to_get_mnist(monkeypatch, package):
    if package == "tqdm":
        pytest.importorskip("pooch")
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    said = rf"without {package}: pip install 'chainrule\[data\]'.* Or put the four files"
    with pytest.raises(FileNotFoundError, match=said):
        load_mnist()


def test_the_cache_is_the_systems_unless_the_environment_names_one(monkeypatch):
    pooch = pytest.importorskip("pooch")
    pytest.importorskip("tqdm")
    monkeypatch.setenv("CHAINRULE_DATA", "")
    assert datasets.cache_folder() == pooch.os_cache("chainrule")


@pytest.mark.skipif(
    "CHAINRULE_MNIST" not in os.environ, reason="set CHAINRULE_MNIST to the folder of MNIST's files"
)
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


def test_moons_without_noise_lie_on_two_half_circles():
    x, t = make_moons(50, noise=np.float32(0), rng=np.random.default_rng(0))
    assert np.bincount(t).tolist() == [25, 25]
    np.testing.assert_allclose(np.hypot(*x[t == 0].T), 1.0)
    np.testing.assert_allclose(np.hypot(*(x[t == 1] - [1.0, 0.5]).T), 1.0)
    assert (x[t == 0, 1] >= 0).all() and (x[t == 1, 1] <= 0.5).all()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"rng": 0}, TypeError),
        ({"n": 0, "rng": np.random.default_rng(0)}, ValueError),
        ({"n": 2.5, "rng": np.random.default_rng(0)}, ValueError),
        ({"noise": -1, "rng": np.random.default_rng(0)}, ValueError),
        ({"noise": "much", "rng": np.random.default_rng(0)}, ValueError),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, error):
    with pytest.raises(error, match="make_moons wants"):
        make_moons(**arguments)
