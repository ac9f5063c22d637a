"""A grid of bets: the reader ticks what will happen where, and compares it with what did."""

from html import escape

import numpy as np
import traitlets

from chainrule.drawing import caption_html
from chainrule.narration import label
from chainrule.widgets.figure import Figure
from chainrule.widgets.quiz import is_text, marked

MOST_ROWS, MOST_COLUMNS = 20, 8


class BetGrid(Figure):
    """Bets on a grid, for example on which bugs are found by which detectors, scored when the reader has looked.

    question  what is to be ticked
    found     a dict from row to a dict from column to True or False: what happens there. All rows have the
              same columns; at most 20 rows and 8 columns
    yes, no   what a tick and what no tick means, in a word: "found", "missed"
    reveal    what the button says that shows the truth, with ✓ where the bet was right and ✗ where it was not
    caption   a line under it

        BetGrid("Which detector finds which bug?",
                {"no mask": {"check": True, "first loss": False},
                 "no N": {"check": True, "first loss": False}},
                yes="found", no="missed", reveal="Compare")

    The question may hold `code` and *emphasis*. `.bets` is a synced trait, a list of [row, column], and so is
    `.revealed`. ValueError says what is allowed where an argument is wrong.
    """

    bets = traitlets.List().tag(sync=True)
    revealed = traitlets.Bool(False).tag(sync=True)

    def __init__(self, question, found, *, yes="yes", no="no", reveal="Show", caption=None):
        for name, text in {"question": question, "yes": yes, "no": no, "reveal": reveal}.items():
            if not is_text(text):
                raise ValueError(f"BetGrid wants {name} as a text, got {text!r}")
        self.found = check_found(found)
        self.question, self.yes, self.no, self.reveal = question, yes, no, reveal
        self.caption = None if caption is None else str(caption)
        self.title = label("quiz.title")
        super().__init__()
        self.html = self.markup()

    @property
    def columns(self):
        return list(next(iter(self.found.values())))

    @traitlets.validate("bets")
    def check_bets(self, proposal):
        cells = [[row, column] for row in self.found for column in self.columns]
        for bet in proposal["value"]:
            if not isinstance(bet, (list, tuple)) or list(bet) not in cells:
                raise traitlets.TraitError(f"a bet is a [row, column] of the grid, got {bet!r}")
        return proposal["value"]

    def score(self):
        """How many cells the bets are right about."""
        ticked = {tuple(bet) for bet in self.bets}
        return sum(
            ((row, column) in ticked) == happens
            for row, cells in self.found.items()
            for column, happens in cells.items()
        )

    def markup(self):
        """The truth as a table that unfolds; the script makes boxes to tick of its cells."""
        return (
            f'<figure class="chainrule-bets"><p class="chainrule-question">{marked(self.question)}</p>'
            f"<details><summary>{escape(self.reveal)}</summary>"
            f'<div class="chainrule-wide" tabindex="0" role="group" aria-label="{escape(self.title)}">'
            f"{self.table()}</div></details>{caption_html(self.caption)}</figure>"
        )

    def still(self):
        """The question, and the truth as a table that unfolds."""
        return (
            f'<div class="chainrule-still"><p>{marked(self.question)} {escape(label("still.bets"))}</p>'
            f"<details><summary>{escape(self.reveal)}</summary>{self.table()}</details></div>"
        )

    def table(self):
        head = "".join(f'<th scope="col">{escape(column)}</th>' for column in self.columns)
        rows = "".join(self.row(row, cells) for row, cells in self.found.items())
        sums = "".join(
            f"<td>{sum(cells[column] for cells in self.found.values())}</td>"
            for column in self.columns
        )
        total = label("bets.sum", yes=self.yes, all=len(self.found))
        return (
            f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody>"
            f'<tfoot><tr><th scope="row">{escape(total)}</th>{sums}</tr></tfoot></table>'
        )

    def row(self, row, cells):
        texts = "".join(
            f'<td class="yes">{escape(self.yes)}</td>' if happens else f"<td>{escape(self.no)}</td>"
            for happens in cells.values()
        )
        return f'<tr><th scope="row">{escape(row)}</th>{texts}</tr>'

    def as_text(self):
        return "\n".join([self.question, *(f"  - {row}" for row in self.found)])


def check_found(found):
    """The dict of dicts, with Python's own True and False."""
    right = isinstance(found, dict) and 1 <= len(found) <= MOST_ROWS
    rows = list(found.values()) if right else []
    right = right and all(isinstance(row, dict) and list(row) == list(rows[0]) for row in rows)
    if not right or not 1 <= len(rows[0]) <= MOST_COLUMNS:
        raise ValueError(
            f"BetGrid wants found as a dict of 1 to {MOST_ROWS} rows, each a dict of the same "
            f"1 to {MOST_COLUMNS} columns, got {found!r}"
        )
    for name in [*found, *rows[0]]:
        if not is_text(name):
            raise ValueError(f"BetGrid wants rows and columns named by texts, got {name!r}")
    for row in rows:
        for happens in row.values():
            if not isinstance(happens, (bool, np.bool_)):
                raise ValueError(f"BetGrid wants True or False in each cell, got {happens!r}")
    return {
        name: {column: bool(cell) for column, cell in row.items()} for name, row in found.items()
    }
