"""What all figures share: drawn by Python as HTML, made live by one script, the same everywhere."""

import anywidget
import traitlets

from chainrule.widgets import page


class Figure(anywidget.AnyWidget):
    """A figure of the book. A subclass sets `html` and `title`, and may override `markup`.

    The output of a notebook cell holds the figure as HTML too, so that the built page, a saved
    notebook and a host without widgets show it; script and style are added where they are shown.
    """

    _esm = page.module()
    _css = page.style()
    html = traitlets.Unicode().tag(sync=True)
    title = ""

    def whole(self, proposal, last):
        """The value proposed for a trait that counts from 0 to `last`. TraitError if it does not."""
        name, value = proposal["trait"].name, proposal["value"]
        if isinstance(value, bool) or not 0 <= value <= last:
            raise traitlets.TraitError(f"{name} runs from 0 to {last}, got {value}")
        return value

    def markup(self):
        """The figure as HTML, in its present state."""
        return self.html

    def still(self):
        """HTML without SVG, form and script, for a notebook that has not run: it may not be trusted.

        "" if the markup itself is such HTML. The first element has the class `chainrule-still`.
        """
        return ""

    def as_text(self):
        """What a terminal shows."""
        return self.title

    def to_html(self):
        """The live figure as a page of its own, HTML text that needs no other file and no network."""
        return page.standalone(self.markup(), self.title)

    def _repr_mimebundle_(self, **kwargs):
        """The live widget where there is a kernel, and the same figure as HTML everywhere else."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        shown = {
            "text/html": page.output(self.still(), self.markup()),
            "text/plain": self.as_text(),
        }
        return {**data, **shown}, metadata
