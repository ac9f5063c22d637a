"""Data to learn from: handwritten digits that ship with the package, MNIST, and points in the plane.

The loaders return (x_train, t_train), (x_test, t_test), with pixels from 0 to 1 and integer labels;
every call gives fresh arrays. Read `training` to see them used.
"""

import gzip
import hashlib
import os
import struct
from importlib.resources import files
from pathlib import Path

import numpy as np

# The four files of MNIST: the checksum (MD5) of the content, and that of the .gz as it is published.
MNIST_FILES = {
    "train-images-idx3-ubyte": (
        "6bbc9ace898e44ae57da46a324031adb",
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ),
    "train-labels-idx1-ubyte": (
        "a25bea736e30d166cdddb491f175f624",
        "d53e105ee54ea40749a09fcbcd1e9432",
    ),
    "t10k-images-idx3-ubyte": (
        "2646ac647ad5339dbf082846283269ea",
        "9fb629c4189551a2d022fa330f9573f3",
    ),
    "t10k-labels-idx1-ubyte": (
        "27ae3e4e09519cfbb04c329615203637",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
}
MNIST_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"


def load_digits():
    """1,437 training and 360 test images of 8 by 8 pixels: every fifth image is held out.

    x (n, 64) float64 from 0 to 1, t (n,) int64. Optical Recognition of Handwritten Digits,
    E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository,
    https://doi.org/10.24432/C50P49, CC BY 4.0. The images come in the order of their writers, so
    taking every fifth spreads all writers over both parts.
    """
    images, labels = load_packed("digits.npz")
    x, t = images / 16.0, labels.astype(np.int64)
    test = np.arange(len(x)) % 5 == 0
    return (x[~test], t[~test]), (x[test], t[test])


def load_three_mnist_images():
    """The first three training images of MNIST: x (3, 784) float64 from 0 to 1, t (3,) int64.

    Y. LeCun, C. Cortes, C. J. C. Burges, CC BY-SA 3.0.
    """
    images, labels = load_packed("three_mnist_images.npz")
    return images / 255.0, labels.astype(np.int64)


def load_packed(name):
    with (files("chainrule") / "data" / name).open("rb") as file:
        with np.load(file, allow_pickle=False) as packed:
            return packed["images"], packed["labels"]


def load_mnist(folder=None):
    """MNIST's 60,000 training and 10,000 test images of 28 by 28 pixels.

    x (n, 784) float64 from 0 to 1, t (n,) int64. The four IDX files, raw or gzipped, are read from
    `folder`; without one from a cache folder (named by the environment variable CHAINRULE_DATA, or
    the system's), into which missing files are downloaded. The content is checked either way.

    FileNotFoundError or ConnectionError say what to put where; ValueError names a damaged file.
    """
    paths = [find_mnist(name, folder) for name in MNIST_FILES]
    x_train, t_train, x_test, t_test = map(read_mnist, paths, MNIST_FILES)
    return (pixels(x_train), t_train.astype(np.int64)), (pixels(x_test), t_test.astype(np.int64))


def pixels(images):
    return images.reshape(len(images), -1) / 255.0


def find_mnist(name, folder):
    """The path of one of the four files: in the folder, in the cache, or freshly downloaded."""
    place = Path(folder) if folder is not None else cache_folder()
    for path in (place / name, place / f"{name}.gz"):
        if path.is_file():
            return path
    if folder is not None:
        raise FileNotFoundError(f"{name} or {name}.gz is missing in {place}: {what_to_do(place)}")
    return download(name, place)


def cache_folder():
    if "CHAINRULE_DATA" in os.environ:
        return Path(os.environ["CHAINRULE_DATA"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "chainrule"


def download(name, place):
    try:
        import pooch
    except ImportError:
        raise ImportError(
            f"downloading MNIST wants pooch (pip install chainrule[data]). Or {what_to_do(place)}"
        ) from None
    _, checksum = MNIST_FILES[name]
    try:
        return Path(
            pooch.retrieve(
                f"{MNIST_MIRROR}{name}.gz",
                f"md5:{checksum}",
                fname=f"{name}.gz",
                path=place,
                progressbar=True,
            )
        )
    except (OSError, ValueError) as error:  # no network, or not the file that was asked for
        raise ConnectionError(
            f"{name}.gz could not be downloaded ({type(error).__name__}): {what_to_do(place)}"
        ) from error


def what_to_do(place):
    names = ", ".join(f"{name}.gz" for name in MNIST_FILES)
    return f"put the four files {names} (raw files work too) into {Path(place).resolve()}"


def read_mnist(path, name):
    """The array in one of the four files, once its content is known to be what it should be."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}") from None
    array = parse_idx(content, path)
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != MNIST_FILES[name][0]:
        others = {sums[0]: other for other, sums in MNIST_FILES.items()}
        what = f"the content of {others[found]}" if found in others else f"checksum {found}"
        raise ValueError(
            f"{path} has {what}, wanted {name} ({MNIST_FILES[name][0]}): "
            "it is damaged or misnamed, get it again"
        )
    return array


def parse_idx(content, path):
    """An IDX file of bytes as an array: two zeros, the type 8, the number of axes, their lengths."""
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is not an IDX file of bytes: it starts with {content[:4]!r}")
    axes = content[3]
    header = 4 + 4 * axes
    if len(content) < header:
        raise ValueError(f"{path} is cut short: it ends within its header")
    shape = struct.unpack(f">{axes}I", content[4:header])
    wanted = header + int(np.prod(shape, dtype=object))
    if len(content) != wanted:
        raise ValueError(f"{path} has {len(content)} bytes, wanted {wanted} for its shape {shape}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def make_spirals(n_per_class=100, classes=3, *, noise=0.2, rng):
    """Interleaved spiral arms: x (classes * n_per_class, 2), t int64; the noise is in radians."""
    check_points(rng, noise, n_per_class=n_per_class, classes=classes)
    t = np.repeat(np.arange(classes), n_per_class)
    radius = np.tile(np.linspace(0.0, 1.0, n_per_class), classes)
    angle = 4.0 * radius + 2 * np.pi * t / classes + rng.normal(0.0, noise, len(t))
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), t


def make_moons(n=200, *, noise=0.1, rng):
    """Two half circles that reach into each other: x (n, 2), t (n,) int64, as even as n allows."""
    check_points(rng, noise, n=n)
    t = np.arange(n) % 2
    angle = rng.uniform(0.0, np.pi, n)
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    x[t == 1] = [1.0, 0.5] - x[t == 1]
    return x + rng.normal(0.0, noise, x.shape), t


def check_points(rng, noise, **counts):
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy.random.Generator, got {rng!r}")
    if not (isinstance(noise, (int, float)) and 0 <= noise < np.inf):
        raise ValueError(f"noise must be a number from 0 up, got {noise!r}")
    for name, count in counts.items():
        if not isinstance(count, (int, np.integer)) or count < 1:
            raise ValueError(f"{name} must be a positive whole number, got {count!r}")
