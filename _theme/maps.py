"""The maps of the reference pages: boxes in reading order, and what one of them stands on."""

SIZE = {"x": (0, 14), "y": (0.2, 10), "height": 300}  # of their scenes


def behind(needs, one):
    """What `one` needs, and what these need."""
    found, todo = set(), [one]
    while todo:
        new = set(needs[todo.pop()]) - found
        found |= new
        todo += new
    return found


def boxes(pen, words, needs, chosen, notes, first=0):
    """Four in a row, numbered from `first`. Full: what the chosen one needs itself; pale: what these need.

    The chosen one has a second frame."""
    far = behind(needs, chosen)
    for k, word in enumerate(words):
        left, top = 0.1 + 3.5 * (k % 4), 9.9 - 2.45 * (k // 4)
        full = 0.6 if k in needs[chosen] else 0.2 if k in far else 0.0
        look = "ink" if k == chosen else "value"
        pen.box(left, top - 2.1, left + 3.3, top, look=look, opacity=full)
        if k == chosen:
            pen.box(left + 0.08, top - 2.02, left + 3.22, top - 0.08, look=look, opacity=0.15)
        pen.text(left + 0.2, top - 0.6, k + first, at="left", size=14)
        if k in notes:
            pen.text(left + 3.1, top - 0.6, notes[k], look="quiet", at="right", size=12)
        pen.text(left + 0.2, top - 1.45, word, at="left", size=14)
