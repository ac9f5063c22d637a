"""Guests: the layers that the world uses besides, behind the core. Part II of the book derives them.

Each module here holds one chapter's layers, their formulas alone. Their `expand` writes them out in the
nodes of `nodes` and `more_nodes`, which prove them. A layer that behaves differently while it learns and
while it predicts has a plain attribute `training`: a network's pass without targets sets it to False for
as long as it lasts.
"""

from chainrule.guests.attention import Attention
from chainrule.guests.batch_norm import BatchNorm
from chainrule.guests.convolution import Conv2D, Flatten, MaxPool2D
from chainrule.guests.dropout import Dropout
from chainrule.guests.embedding import Embedding
from chainrule.more_nodes import Reshape

__all__ = [
    "Attention",
    "BatchNorm",
    "Conv2D",
    "Dropout",
    "Embedding",
    "Flatten",
    "MaxPool2D",
    "Reshape",
]
