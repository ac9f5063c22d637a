"""Data to learn from: handwritten digits that ship with the package, MNIST, and points in the plane.

The loaders return (x_train, t_train), (x_test, t_test), with pixels from 0 to 1 and integer labels;
every call gives fresh arrays. Read `training` to see them used.
"""

import gzip
import hashlib
import math
import os
import struct
import zlib
from importlib.resources import files
from numbers import Real
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
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def load_digits():
    """1,437 training and 360 test images of 8 by 8 pixels: every fifth image is held out.

    x (n, 64) float64 from 0 to 1, t (n,) int64. Optical Recognition of Handwritten Digits,
    E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository,
    https://doi.org/10.24432/C50P49, CC BY 4.0. The images come in blocks, a writer after the other,
    so taking every fifth spreads the writers over both parts: the test asks for new images, not
    for new hands. Held out are images 0, 5, 10, ...; of each digit there are 26 to 48.
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


def load_mnist(folder=None, *, dtype=np.float64):
    """MNIST's 60,000 training and 10,000 test images of 28 by 28 pixels.

    x (n, 784) of `dtype` (float64 or float32) from 0 to 1, t (n,) int64. The four IDX files, raw or
    gzipped, are read from `folder`. Without one they are read from a cache folder (named by the
    environment variable CHAINRULE_DATA, or the system's), into which missing files are downloaded.
    The content is checked either way. Y. LeCun, C. Cortes, C. J. C. Burges, CC BY-SA 3.0.

    FileNotFoundError and ConnectionError say what to put where; ValueError names a damaged file.
    """
    if not is_float_type(dtype):
        raise ValueError(f"load_mnist wants float64 or float32 as dtype, got {dtype!r}")
    if folder is not None and not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"load_mnist wants the folder as text or a path, got {folder!r}")
    arrays = [read_mnist(path, name) for name, path in find_mnist(folder).items()]
    x_train, t_train, x_test, t_test = arrays
    return (
        (pixels(x_train, dtype), t_train.astype(np.int64)),
        (pixels(x_test, dtype), t_test.astype(np.int64)),
    )


def is_float_type(dtype):
    try:
        return dtype is not None and np.dtype(dtype) in (np.float64, np.float32)
    except TypeError:
        return False


def pixels(images, dtype):
    return np.divide(images.reshape(len(images), -1), 255, dtype=dtype)


def find_mnist(folder):
    """A dict from the four names to their paths: in the folder, in the cache, or just downloaded."""
    place = cache_folder() if folder is None else Path(folder)
    paths = {}
    for name in MNIST_FILES:
        found = [path for path in (place / name, place / f"{name}.gz") if path.is_file()]
        paths[name] = found[0] if found else None
    missing = [name for name, path in paths.items() if path is None]
    if missing and folder is not None:
        raise FileNotFoundError(f"missing in {place}: {', '.join(missing)}. {what_to_do(place)}")
    for name in missing:
        paths[name] = download(name, place)
    return paths


def cache_folder():
    named = os.environ.get("CHAINRULE_DATA")
    return Path(named).expanduser() if named else import_pooch().os_cache("chainrule")


def import_pooch():
    try:
        import pooch
        import tqdm  # noqa: F401 (pooch draws its progress bar with it)
    except ImportError as error:
        raise FileNotFoundError(
            f"MNIST cannot be downloaded without {error.name}: pip install 'chainrule[data]'. Or "
            + what_to_do(os.environ.get("CHAINRULE_DATA"))
        ) from None
    return pooch


def download(name, place):
    """Fetch one file; pooch checks it under a passing name, so half a file is never left behind."""
    pooch = import_pooch()
    checksum = f"md5:{MNIST_FILES[name][1]}"
    options = {"fname": f"{name}.gz", "path": place, "progressbar": True}
    for mirror in MNIST_MIRRORS:
        try:
            return Path(pooch.retrieve(f"{mirror}{name}.gz", checksum, **options))
        except PermissionError as error:
            raise PermissionError(
                f"{place} cannot be written: name another folder in CHAINRULE_DATA"
            ) from error
        except (OSError, ValueError) as error:  # no network, or not the file that was asked for
            reason = error
    raise ConnectionError(
        f"{name}.gz could not be downloaded ({type(reason).__name__}): {what_to_do(place)}"
    ) from reason


def what_to_do(place):
    names = ", ".join(f"{name}.gz" for name in MNIST_FILES)
    where = Path(place).resolve() if place else "a folder, and call load_mnist(that folder)"
    return (
        f"put the four files {names} (raw files work too) into {where}. "
        f"Browsers find them at {' and '.join(MNIST_MIRRORS)}"
    )


def read_mnist(path, name):
    """The array in one of the four files, once its content is known to be what it should be."""
    content = unzipped(path)
    wanted, found = MNIST_FILES[name][0], hashlib.md5(content, usedforsecurity=False).hexdigest()
    for other, (checksum, _) in MNIST_FILES.items():
        if other != name and checksum == found:
            raise ValueError(f"{path} has the content of {other}: rename it")
    array = parse_idx(content, path, axes=3 if "images" in name else 1)
    if found != wanted:
        raise ValueError(
            f"{path} has checksum {found}, MNIST's has {wanted}: it is damaged, or of another data "
            "set; delete it and get it again"
        )
    return array


def unzipped(path):
    content = path.read_bytes()
    if not content.startswith(b"\x1f\x8b"):  # the name says little: browsers unzip and keep ".gz"
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path} is not a whole gzip file ({error}): delete it and get it again"
        ) from None


def parse_idx(content, path, axes):
    """An IDX file of bytes as an array: two zeros, the type 8, the number of axes, their lengths."""
    magic, header = bytes([0, 0, 8, axes]), 4 + 4 * axes
    if content[:4] != magic:
        raise ValueError(
            f"{path} is not an IDX file of bytes with {axes} axes: "
            f"it starts with {content[:4]!r}, wanted {magic!r}"
        )
    if len(content) < header:
        raise ValueError(f"{path} is cut short: it ends within its header")
    shape = struct.unpack(f">{axes}I", content[4:header])
    wanted = header + math.prod(shape)
    if len(content) != wanted:
        what = "is cut short" if len(content) < wanted else "is too long"
        raise ValueError(
            f"{path} {what}: {len(content)} bytes, wanted {wanted} for its shape {shape}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def make_spirals(n_per_class=100, classes=3, *, noise=0.2, rng):
    """Interleaved spiral arms: x (n, 2) and t (n,) int64, n = classes * n_per_class, arm by arm.

    The arms wind out from the origin to radius 1; `noise` is the spread of their angles in radians.
    """
    check_points("make_spirals", rng, noise, n_per_class=n_per_class, classes=classes)
    t = np.repeat(np.arange(classes, dtype=np.int64), n_per_class)
    radius = np.tile(np.linspace(0.0, 1.0, n_per_class), classes)
    angle = 4.0 * radius + 2 * np.pi * t / classes + rng.normal(0.0, noise, len(t))
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), t


def make_moons(n=200, *, noise=0.1, rng):
    """Two half circles that reach into each other: x (n, 2), t (n,) int64, 0 and 1 in turn.

    The circles have radius 1; `noise` is the spread of each coordinate.
    """
    check_points("make_moons", rng, noise, n=n)
    t = np.arange(n, dtype=np.int64) % 2
    angle = rng.uniform(0.0, np.pi, n)
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    x[t == 1] = [1.0, 0.5] - x[t == 1]
    return x + rng.normal(0.0, noise, x.shape), t


def check_points(where, rng, noise, **counts):
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{where} wants a numpy.random.Generator as rng, got {rng!r}")
    most = 2**1023 if isinstance(noise, int) else np.inf  # a larger integer is no float
    if isinstance(noise, bool) or not (isinstance(noise, Real) and 0 <= noise < most):
        raise ValueError(f"{where} wants a number from 0 up as noise, got {noise!r}")
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
            raise ValueError(f"{where} wants a positive whole number {name}, got {count!r}")
