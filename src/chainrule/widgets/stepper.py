"""The stepper: one node's visit at a time, forward and then backward."""

import anywidget
import traitlets

from chainrule.drawing import draw, figure_html
from chainrule.graph import Variable
from chainrule.trace import Trace, trace_graph, trace_network
from chainrule.widgets.page import MODULE, STYLE, standalone


class Stepper(anywidget.AnyWidget):
    """A figure that steps through a calculation and its backward pass.

    source   a Variable (the output of a graph), a Trace, or a network with `x` and `t`
    x, t     what the network runs on
    title    what the figure is called, for those who cannot see it
    caption  a line under it
    step     where it starts: 0 before the first step, -1 after the last
    open     the inputs that the reader may change: True for every named number (the default),
             False for none, or a list of names

    `.step` is a synced trait. ValueError says what is allowed where an argument is wrong.
    """

    _esm = MODULE
    _css = STYLE
    step = traitlets.Int(0).tag(sync=True)
    html = traitlets.Unicode().tag(sync=True)

    def __init__(self, source, x=None, t=None, *, title=None, caption=None, step=0, open=True):
        self.trace = make_trace(source, x, t)
        title = (
            f"Computational graph of {self.trace.variables[-1].name}" if title is None else title
        )
        last = len(self.trace)
        if not isinstance(step, int) or not -1 <= step <= last:
            raise ValueError(
                f"Stepper: step is a whole number from 0 to {last}, or -1, got {step!r}"
            )
        self.title, self.caption = str(title), caption
        self.open_names = open_inputs(self.trace, open)
        step = last if step == -1 else step
        super().__init__(html=self.markup(step), step=step)

    def markup(self, step):
        return figure_html(self.trace, self.title, self.caption, step, self.open_names)

    @traitlets.validate("step")
    def check_step(self, proposal):
        if not 0 <= proposal["value"] <= len(self.trace):
            raise traitlets.TraitError(
                f"step runs from 0 to {len(self.trace)}, got {proposal['value']}"
            )
        return proposal["value"]

    def to_svg(self, step=None):
        """The picture after a step (None: with everything), as SVG text that stands alone."""
        return draw(self.trace, step, self.title, style=True)

    def to_html(self):
        """The live figure as a page of its own, HTML text that needs no other file and no network."""
        return standalone(self.markup(self.step), self.title)

    def _repr_mimebundle_(self, **kwargs):
        """The live widget where there is a kernel, and the same figure as HTML everywhere else."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return {
            **data,
            "text/html": self.markup(self.step),
            "text/plain": repr(self.trace),
        }, metadata


def open_inputs(trace, wanted):
    """The names of the leaves that may be changed. ValueError for a name that cannot be."""
    able = [
        v.name
        for v in trace.variables
        if not (v.inputs or v.constant) and isinstance(v.value, float)
    ]
    if isinstance(wanted, bool):
        return able if wanted else []
    unknown = [name for name in wanted if name not in able]
    if unknown or isinstance(wanted, str):
        raise ValueError(f"Stepper: open is True, False or names out of {able}, got {wanted!r}")
    return list(wanted)


def make_trace(source, x, t):
    if isinstance(source, Trace):
        return source
    if isinstance(source, Variable):
        return trace_graph(source)
    if hasattr(source, "forward_steps") and hasattr(source, "backward_steps"):
        if x is None or t is None:
            raise ValueError("Stepper of a network wants x and t: Stepper(network, x, t)")
        return trace_network(source, x, t)
    raise ValueError(
        f"Stepper wants a Variable, a Trace, or a network with x and t, got {type(source).__name__}"
    )
