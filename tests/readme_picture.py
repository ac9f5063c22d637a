"""Draw the picture that the README shows: the bill of chapter 1 after its backward pass."""

from pathlib import Path

from chainrule.drawing import draw
from chainrule.graph import Variable
from chainrule.trace import trace_graph

PICTURE = Path(__file__).parents[1] / "book" / "_static" / "stepper.svg"


def picture():
    side, price = Variable(3.0, "side"), Variable(20.0, "price")
    delivery, tax = Variable(15.0, "delivery"), Variable(1.2, "tax")
    area = side**2
    tiles = area * price
    net = tiles + delivery
    total = net * tax
    area.name, tiles.name, net.name, total.name = "area", "tiles", "net", "total"
    return draw(trace_graph(total), title="A bill as a computational graph", style=True) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
