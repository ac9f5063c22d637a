"""The figures that a reader steps through: live in a notebook, and live in a page with no kernel.

`Stepper` shows a trace. What it shows is the same everywhere, because Python draws it once.
"""

try:
    import anywidget  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"the figures need {error.name}: pip install 'chainrule[widgets]', or in a clone pip install -e '.[widgets]'",
        name=error.name,
    ) from None

from chainrule.widgets.bets import BetGrid
from chainrule.widgets.explorer import Explorer
from chainrule.widgets.quiz import Quiz
from chainrule.widgets.replay import Replay, record_training
from chainrule.widgets.scene import Scene
from chainrule.widgets.stepper import Stepper

__all__ = ["BetGrid", "Explorer", "Quiz", "Replay", "Scene", "Stepper", "record_training"]
