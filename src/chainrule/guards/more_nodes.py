"""The doors of the nodes of Part II: sizes, orders of axes and indices that fit the array that came."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.guards.nodes import refuse_axis
from chainrule.guards.numbers import is_count


def whole(numbers):
    """The numbers as a tuple of integers, or None unless each is a whole one."""
    one = numbers[0] if len(numbers) == 1 and isinstance(numbers[0], (tuple, list)) else numbers
    return tuple(map(int, one)) if all(map(is_count, one)) else None


def sizes(shape):
    """A shape, given as numbers or as one tuple; ValueError for what is none."""
    found = whole(shape)
    if found is None or min(found, default=0) < -1 or found.count(-1) > 1:
        raise ValueError(
            f"Reshape wants the sizes of a shape as whole numbers, one of them -1 at most, got {shape}"
        )
    return found


def refuse_size(node, x):
    shape, known = node.shape, -int(np.prod(node.shape)) if -1 in node.shape else None
    fits = np.size(x) == np.prod(shape) if known is None else known and np.size(x) % known == 0
    if not fits:
        raise ValueError(
            f"Reshape: shape {np.shape(x)} holds {np.size(x)} numbers, and they do not fit into {shape}"
        )


def many_axes(axes):
    """An order of axes, given as numbers or as one tuple, None for none; ValueError for what is no order."""
    found = whole(axes)
    if found is None:
        raise ValueError(f"Transpose wants the axes as whole numbers, got {axes}")
    return found or None


def refuse_order(node, x):
    if node.axes is None:
        return
    try:
        whole = len(normalize_axis_tuple(node.axes, np.ndim(x))) == np.ndim(x)
    except ValueError:  # one that is not there, or is named twice
        whole = False
    if not whole:
        raise ValueError(
            f"Transpose wants each axis of an input of shape {np.shape(x)} once, got {node.axes}"
        )


def an_index(index):
    """The index, with arrays of its own; TypeError for what cannot be one."""
    if isinstance(index, tuple):
        return tuple(map(an_index, index))
    if index is None or index is Ellipsis or isinstance(index, slice):
        return index
    if is_count(index):
        return int(index)
    try:
        array = np.array(index)
    except ValueError:
        array = np.array(None)
    if array.size == 0 and isinstance(index, (list, tuple)):
        array = array.astype(int)
    if array.dtype.kind not in "iub":
        raise TypeError(
            "Take wants whole numbers, slices or masks as index (an index has no gradient), "
            f"got {type(index).__name__}" + (f" of {array.dtype}" if array.ndim else "")
        )
    return array


def refuse_index(node, x):
    """IndexError where NumPy finds none: that is what ends a loop over the rows of a `Variable`."""
    if np.ndim(x) == 0:
        raise TypeError("Take: a plain number has no entries to take")
    try:
        np.broadcast_to(False, np.shape(x))[node.index]
    except IndexError as error:
        raise IndexError(f"Take from shape {np.shape(x)}: {error}") from None


def refuse_empty(node, x):
    refuse_axis(node, x)
    along = range(np.ndim(x)) if node.axis is None else np.atleast_1d(node.axis)
    if 0 in [np.shape(x)[axis] for axis in along]:
        raise ValueError(f"{node.name} wants at least one number, got shape {np.shape(x)}")
