"""The stepper: one node's visit at a time, forward and then backward."""

import copy
import json
from html import escape

import numpy as np
import traitlets

from chainrule.drawing import draw, figure_html, level_of
from chainrule.graph import Variable, topological_order
from chainrule.guards.numbers import as_value
from chainrule.layout import grid
from chainrule.narration import label
from chainrule.trace import Trace, encode, expand_network, trace_graph, trace_network
from chainrule.widgets import page
from chainrule.widgets.figure import Figure

LEVELS = ("layers", "nodes")


class Stepper(Figure):
    """A figure that steps through a calculation and its backward pass.

    source   a Variable (the output of a graph), a Trace, or a network with `x` and `t`
    x, t     what the network runs on
    dout     of a graph: the gradient that its output gets. One that ends in an array wants an array of its shape
    title    what the figure is called, for those who cannot see it
    caption  a line under it
    step     where it starts: 0 before the first step, -1 after the last
    level    of a network: "layers", a layer a step, or "nodes", an elementary node a step
    cell     (row, column) of the entry that is written out first where a step makes an array; the default
             is one that tells much
    open     the inputs that the reader may change: True for every named number or small array (the
             default), False for none, or a list of names

    `.step` and `.level` are synced traits, and so is `.inputs`, the open inputs by name: assign a dict to
    change some of them, and the whole run is computed anew. The reader's own variables, layers and
    arrays are left as they were. ValueError says what is allowed where an argument is wrong.
    """

    step = traitlets.Int(0).tag(sync=True)
    level = traitlets.Unicode("nodes").tag(sync=True)
    inputs = traitlets.Dict().tag(sync=True)
    numbers = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        source,
        x=None,
        t=None,
        *,
        dout=1.0,
        title=None,
        caption=None,
        step=0,
        level="layers",
        open=True,
        cell=None,
    ):
        self.dout = dout
        self.graph, self.trace = graph_and_trace(source, x, t, dout)
        super().__init__()
        fixed = self.graph is None and not isinstance(source, Trace)  # no layer is known in nodes
        if not isinstance(level, str) or level not in LEVELS:
            raise ValueError(f"Stepper: level is one of {', '.join(LEVELS)}, got {level!r}")
        if fixed and level == "nodes":
            raise ValueError(f'Stepper: this network has no level "nodes": {self.trace.why}')
        self.level = level if self.trace.nodes is not None else level_of(self.trace, self.trace)
        self.title = (
            f"Computational graph of {self.shown.variables[-1].shown}"
            if title is None
            else str(title)
        )
        self.caption = None if caption is None else str(caption)
        self.open_names = open_inputs(self.trace, False if fixed and open is True else open)
        self.step = self.checked_step(step)
        self.cell = checked_cell(cell)
        self.html = self.markup()

    @property
    def shown(self):
        """The trace at the level that is shown."""
        return self.trace.nodes if self.trace.nodes and self.level == "nodes" else self.trace

    def checked_step(self, step):
        last = len(self.shown)
        whole = isinstance(step, (int, np.integer)) and not isinstance(step, bool)
        if not whole or not -1 <= step <= last:
            raise ValueError(
                f"Stepper: step is a whole number from 0 to {last}, or -1, got {step!r}"
            )
        return last if step == -1 else int(step)

    def markup(self):
        step = min(self.step, len(self.shown))  # the level may have changed where nobody looks
        return figure_html(
            self.trace, self.title, self.caption, step, self.open_names, self.level, self.cell
        )

    def still(self):
        """The whole run as one image."""
        picture = draw(self.shown, title=self.title, legend=True)
        return f"{page.image(picture, self.title)}<p>{escape(label('still'))}</p>"

    def as_text(self):
        return repr(self.shown)

    @traitlets.validate("step")
    def check_step(self, proposal):
        return self.whole(proposal, len(self.trace.nodes or self.trace))

    @traitlets.validate("level")
    def check_level(self, proposal):
        allowed = LEVELS if self.trace.nodes is not None else (level_of(self.trace, self.trace),)
        if proposal["value"] not in allowed:
            raise traitlets.TraitError(
                f"level is one of {', '.join(allowed)}, got {proposal['value']!r}"
            )
        return proposal["value"]

    @traitlets.validate("inputs")
    def check_inputs(self, proposal):
        unknown = sorted(proposal["value"].keys() - set(self.open_names), key=str)
        if unknown:
            raise traitlets.TraitError(
                f"inputs are out of {self.open_names}, got {', '.join(map(repr, unknown))}"
            )
        for name, value in proposal["value"].items():
            try:
                as_value(value, f"inputs: {name}")
            except (TypeError, ValueError) as error:
                raise traitlets.TraitError(str(error)) from None
        return proposal["value"]

    @traitlets.observe("inputs")
    def compute(self, change):
        """Run the graph again with the changed inputs; if they make no sense, say so and keep the old."""
        if self.graph is None:  # a recorded trace: the page computes by itself
            return
        graph = copy_graph(self.graph)
        try:
            for name, value in change["new"].items():
                set_leaf(self.trace, graph, name, value)
            nodes = trace_graph(graph, self.dout)
        except (ValueError, TypeError) as error:
            self.problem = str(error)
            return
        self.problem, self.graph = "", graph
        self.trace = nodes if self.trace.nodes is None else self.trace.read_again(nodes)
        numbers = {
            "values": [v.value for v in nodes.variables],
            "contributions": [s.contributions for s in nodes.steps],
        }
        self.numbers = json.dumps(encode(numbers), allow_nan=False)

    def to_svg(self, step=None):
        """The picture after a step (None: with everything), as SVG text that stands alone."""
        return draw(self.shown, step, self.title, style=True)


def graph_and_trace(source, x, t, dout):
    """A graph of the figure's own, or None, and the trace of its run."""
    if isinstance(source, Variable):
        graph = copy_graph(source)
        return graph, trace_graph(graph, dout)
    if not np.array_equal(dout, 1.0):
        raise ValueError(
            f"Stepper: dout is of a graph; a network goes back from its loss, got {dout!r}"
        )
    if isinstance(source, Trace):
        return None, source
    if hasattr(source, "forward_steps") and hasattr(source, "backward_steps"):
        if x is None or t is None:
            raise ValueError("Stepper of a network wants x and t: Stepper(network, x, t)")
        trace = trace_network(source, x, t)
        graph = None if trace.nodes is None else expand_network(source, x, t)[0]
        return graph, trace
    raise ValueError(
        f"Stepper wants a Variable, a Trace, or a network with x and t, got {type(source).__name__}"
    )


def checked_cell(cell):
    if cell is None:
        return None
    pair = cell if isinstance(cell, (tuple, list)) else ()
    whole = [isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 0 for n in pair]
    if len(pair) != 2 or not all(whole):
        raise ValueError(f"Stepper: cell is a row and a column, such as (0, 1), got {cell!r}")
    return [int(n) for n in pair]


def copy_graph(out):
    """The same graph with variables and nodes of its own, ending in the copy of `out`."""
    copies = {}
    for variable in topological_order(out):
        made = copies[variable] = copy.copy(variable)
        made.node = copy.copy(variable.node)
        made.inputs = tuple(copies[source] for source in variable.inputs)
        if hasattr(variable, "scores"):  # a RowMaximum follows its scores
            made.scores = copies[variable.scores]
    return copies[out]


def open_inputs(trace, wanted):
    """The names of the leaves that may be changed. ValueError for a name that cannot be."""
    able = [v.name for v in trace.variables if can_change(v)]
    if isinstance(wanted, bool):
        return able if wanted else []
    listed = isinstance(wanted, (list, tuple))
    if not listed or [name for name in wanted if name not in able]:
        raise ValueError(f"Stepper: open is True, False or names out of {able}, got {wanted!r}")
    return list(wanted)


def can_change(variable):
    """A named leaf that is a number, or an array small enough to be drawn with its numbers."""
    if variable.inputs or variable.constant or "maximum_of" in variable.options:
        return False
    return np.ndim(variable.value) == 0 or grid(variable.value) is not None


def set_leaf(trace, graph, name, value):
    """Give the leaf `name` of the graph another value of the same shape."""
    names = [v.name for v in (trace.nodes or trace).variables]
    leaf = topological_order(graph)[names.index(name)]
    value = as_value(value, name)
    if trace.nodes is not None and np.shape(value) != np.shape(leaf.value):  # labels
        classes = np.asarray(value)
        most = np.shape(leaf.value)[-1] - 1
        if np.any((classes < 0) | (classes > most) | (classes != np.floor(classes))):
            raise ValueError(f"{name}: labels are whole numbers from 0 to {most}, got {value}")
        value = np.eye(most + 1)[classes.astype(int)]
    if np.shape(value) != np.shape(leaf.value):
        raise ValueError(f"{name} has shape {np.shape(leaf.value)}, got {np.shape(value)}")
    leaf.value = value
