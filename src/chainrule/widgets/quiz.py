"""A question with a few choices: whoever picks one reads at once why it is right, or why not."""

import hashlib
import re
from collections.abc import Mapping
from html import escape

import traitlets

from chainrule.narration import label, typeset
from chainrule.widgets.figure import Figure

MOST = 6  # choices; more cannot be kept in mind
MARKED = re.compile(r"`([^`]+)`|(?<![\w*])\*(?=[^\s*])([^*]+)(?<=[^\s*])\*(?![\w*])")


class Quiz(Figure):
    """A question, its choices, and an answer to each of them.

    question  the text of the question
    choices   choice -> the reason that whoever picks it reads, 2 to 6 of them, all texts; they are shown
              in an order of their own, so that the right one has no usual place
    right     the choice that is right. A notebook shows its source in some places, so there it has
    key       instead: `make notebooks` writes the mark of the right choice in place of its text
    reveal    "" answers at once. A text makes the question a bet: the answer waits until the reader, who
              has looked elsewhere meanwhile, presses the button that bears this text

    Texts may hold `code` in backticks and *emphasis*; all else is shown as it is typed. The figure puts
    "Right." or "Not right." before each reason. `.choice` is a synced trait, the choice that is picked,
    "" for none, and so is `.revealed`, whether reasons are shown. ValueError says what is allowed where
    an argument is wrong.
    """

    choice = traitlets.Unicode("").tag(sync=True)
    revealed = traitlets.Bool(True).tag(sync=True)

    def __init__(self, question, choices, right=None, reveal="", key=None):
        check_texts(question, choices)
        if key is not None:
            right = unsealed(question, choices, right, key)
        if not isinstance(right, str) or right not in choices:
            raise ValueError(
                f"Quiz: right is one of {', '.join(map(repr, choices))}, got {right!r}"
            )
        self.question, self.choices, self.right = question, dict(choices), right
        self.reveal = check_reveal(reveal, "Quiz")
        self.title = label("quiz.title")
        super().__init__(revealed=not reveal)
        self.html = self.markup()

    @traitlets.validate("choice")
    def check_choice(self, proposal):
        if proposal["value"] not in ("", *self.choices):
            allowed = ", ".join(map(repr, self.choices))
            raise traitlets.TraitError(
                f"choice is '' or one of {allowed}, got {proposal['value']!r}"
            )
        return proposal["value"]

    def answer(self, choice):
        """What a choice is: "right", "wrong", or "" for none."""
        return "" if choice == "" else "right" if choice == self.right else "wrong"

    def markup(self):
        """A list of choices that unfold to their reasons; the script makes radio buttons of them.

        A form of its own keeps the buttons apart from those of the same quiz elsewhere on a page.
        """
        texts = repr((self.question, self.choices)).encode()
        name = f"quiz-{hashlib.sha256(texts).hexdigest()[:8]}"
        answers = "".join(map(self.answer_html, self.shuffled()))
        bet = "" if self.revealed else f' data-reveal="{escape(self.reveal)}"'
        return (
            f'<form class="chainrule-quiz" data-answer="{self.answer(self.shown())}" '
            f'data-name="{name}"{bet} autocomplete="off"><fieldset>'
            f"<legend>{marked(self.question)}</legend>{answers}</fieldset></form>"
        )

    def shown(self):
        """The choice whose reason is shown, "" for none."""
        return self.choice if self.revealed else ""

    def answer_html(self, choice):
        answer, picked = self.answer(choice), " open" if choice == self.shown() else ""
        sign = "✓" if answer == "right" else "✗"
        return (
            f'<details{picked} data-answer="{answer}" data-choice="{escape(choice)}">'
            f"<summary>{marked(choice)}</summary>"
            f'<p><span class="chainrule-sign {answer}" aria-hidden="true">{sign}</span> '
            f"<b>{escape(label(f'quiz.{answer}'))}</b> {marked(self.choices[choice])}</p></details>"
        )

    def still(self):
        """The question, and choices that unfold to their reasons."""
        answers = "".join(map(self.answer_html, self.shuffled()))
        return f'<div class="chainrule-still"><p><b>{marked(self.question)}</b></p>{answers}</div>'

    def as_text(self):
        return "\n".join([self.question, *(f"  - {choice}" for choice in self.shuffled())])

    def shuffled(self):
        """The choices in an order that says nothing, and is the same in every run."""
        return sorted(self.choices, key=lambda choice: sealed(self.question, choice))


def check_reveal(reveal, figure):
    if reveal != "" and not is_text(reveal):
        raise ValueError(f"{figure} wants reveal as the text of a button, or '', got {reveal!r}")
    return reveal


def sealed(question, choice):
    """The key of a choice: it tells the package which one is right, and tells nothing to whoever reads it."""
    return hashlib.sha256(f"{question}\n{choice}".encode()).hexdigest()[:8]


def unsealed(question, choices, right, key):
    if right is not None:
        raise ValueError(f"Quiz wants right or key, not both, got {right!r} and {key!r}")
    marks = {sealed(question, choice): choice for choice in choices}
    if not isinstance(key, str) or key not in marks:
        raise ValueError(
            f"Quiz: key {key!r} is that of no choice; question and choices have changed since it was written. "
            "Say right='...' with the choice that is right, and run `make notebooks`"
        )
    return marks[key]


def check_texts(question, choices):
    if not is_text(question):
        raise ValueError(f"Quiz wants the question as a text, got {question!r}")
    if not isinstance(choices, Mapping) or not 2 <= len(choices) <= MOST:
        raise ValueError(
            f"Quiz wants 2 to {MOST} choices, a dict from choice to reason, got {choices!r}"
        )
    for choice, reason in choices.items():
        if not is_text(choice):
            raise ValueError(f"Quiz wants each choice as a text, got {choice!r}")
        if not is_text(reason):
            raise ValueError(f"Quiz wants a reason for {choice!r} as a text, got {reason!r}")


def is_text(value):
    return isinstance(value, str) and bool(value.strip())


def marked(text):
    """A text as markup: `code` and *emphasis* are marked, and everything else is text, its numbers as figures write them."""

    def mark(match):
        code, emphasis = match.groups()
        return f"<code>{code}</code>" if code else f"<em>{emphasis}</em>"

    return MARKED.sub(mark, escape(typeset(text)))


def unmarked(text):
    """A text without its marks."""
    return MARKED.sub(lambda match: match[1] or match[2], text)
