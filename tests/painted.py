"""Where something is really painted: a picture of the page, read pixel by pixel."""

import io

import matplotlib.image
import numpy as np


def middle_of_red(page, clip):
    """The middle (x, y) of what is painted in pure red within `clip`, in pixels of the page."""
    picture = matplotlib.image.imread(io.BytesIO(page.screenshot(clip=clip)))
    red = (picture[..., 0] - picture[..., 1] > 0.5) & (picture[..., 0] - picture[..., 2] > 0.5)
    rows, columns = np.nonzero(red)
    scale = clip["width"] / picture.shape[1]
    ends = [(min(found), max(found) + 1) for found in (columns, rows)]
    return [clip[side] + scale * sum(end) / 2 for side, end in zip("xy", ends, strict=True)]
