"""The source that ran: the lines of a method that a figure shows, and those of them that did the step.

The text is the package's, or the reader's, own; nothing is typed again here, but for two special cases of a
node that have a shorter formula of their own. Read `trace` next.
"""

import ast
import inspect
import re
import textwrap
from functools import cache

import numpy as np

NOTHING = {"lines": [], "shown": [], "mark": []}
REMARK = re.compile(r"\s*#\s*(noqa|fmt|type|pragma)\b.*$")  # a note to a tool, not to a reader


class Square:
    """What Power does where the exponent is 2."""

    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return dout * 2 * self.x


class Rectify:
    """What Maximum does where the other input is 0."""

    def forward(self, x):
        self.x = x
        return np.maximum(x, 0.0)

    def backward(self, dout):
        return dout * (self.x > 0)


SPECIAL = {"Power.square": Square, "Maximum.gate": Rectify}  # by their entry in the table of words


def method_source(layer, way, special=None):
    """A method of a node or a layer, "forward" or "backward", as {"lines", "shown", "mark"}.

    lines    its source, to the last letter but for what `textwrap.dedent` takes away
    shown    the numbers of the lines to show: all but decorators and docstring
    mark     the numbers of those that compute a result: what is returned, kept, or put into `grads`
    special  a class with a shorter formula for what the node does here: shown in its place, and before it
    """
    method = getattr(layer, way, None)
    found = source_of(getattr(method, "__func__", method))
    if special is None:
        return found
    short = source_of(getattr(special, way))
    return short | {"lines": [*short["lines"], "", *found["lines"]]} if found["lines"] else short


def source_of(function):
    lines, tree = read(function)
    defined = definition(tree)
    if defined is None:
        return {"lines": lines, "shown": [*range(len(lines))], "mark": [*range(len(lines))]}
    top, body = defined.lineno - 1, defined.body
    if isinstance(defined, ast.Lambda):
        return part(lines, span(tree.body[0]), span(body))
    start = body[0].lineno - 1
    if ast.get_docstring(defined) is not None and len(body) > 1:
        top_lines, start, body = [top], body[1].lineno - 1, body[1:]
    else:
        top_lines = [*range(top, start)]
    return part(lines, [*top_lines, *range(start, defined.end_lineno)], results(body))


def walk_source(function, way):
    """What a walk does at a layer or a node, at the loss, and where the gradient is seeded.

    {"layer": ..., "loss": ..., "seed": ...}, each as in `method_source`, and no line but those that call
    the layer's `way`, with the loops that they stand in.
    """
    lines, tree = read(getattr(function, "__func__", function))
    found, defined = {}, definition(tree)
    body = [] if defined is None or isinstance(defined, ast.Lambda) else defined.body
    body = [inner for one in body for inner in (one.body if isinstance(one, ast.With) else [one])]
    for statement in body:
        looped = isinstance(statement, ast.For)
        spine, marks = call_lines(statement, way)
        if marks:
            found.setdefault("layer" if looped else "loss", excerpt(lines, spine, marks))
    if way == "backward":
        seed = seed_lines(body)
        found["seed"] = excerpt(lines, seed, seed)
    return {"layer": NOTHING, "loss": NOTHING, "seed": NOTHING} | found


def call_lines(statement, way):
    """The lines of the first call of `way` below a statement, and of sums into a gradient: (with their loops, alone)."""
    spine, marks = set(), []

    def visit(node, above):
        if isinstance(node, (ast.For, ast.If, ast.With)):
            head = [*range(node.lineno - 1, node.body[0].lineno - 1)]
            named = (
                isinstance(node, ast.For) or above
            )  # an `if` around it all says nothing of the step
            for inner in node.body + getattr(node, "orelse", []):
                visit(inner, [*above, *head] if named else [])
        elif isinstance(node, ast.stmt) and (calls(node, way) and not marks or sums_gradient(node)):
            marks.extend(span(node))
            spine.update(above, span(node))

    visit(statement, [])
    return sorted(spine), marks


def calls(statement, way):
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == way
        for node in ast.walk(statement)
    )


def sums_gradient(statement):
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    sums = isinstance(getattr(statement, "value", None), ast.BinOp)
    sums = sums or isinstance(statement, ast.AugAssign)
    return sums and any(isinstance(one, ast.Attribute) and one.attr == "grad" for one in targets)


def seed_lines(body):
    """Where a walk back gives the output its gradient: the line before its first yield, or that yield."""
    for before, statement in zip([None, *body], body, strict=False):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Yield):
            gives = isinstance(before, ast.Assign) and isinstance(before.targets[0], ast.Attribute)
            return span(before if gives and before.targets[0].attr == "grad" else statement)
    return []


@cache
def read(function):
    """The lines of a function's source, and their syntax tree; no lines, or no tree, where there is none.

    A method that stands behind a door is found in its `__wrapped__`.
    """
    try:
        text = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    except (OSError, TypeError, ValueError, AttributeError):  # typed at a prompt, or not Python
        return [], None
    lines = [REMARK.sub("", line) for line in text.rstrip().splitlines()]
    try:
        return lines, ast.parse(text)
    except SyntaxError:  # a lambda among the arguments of a call, for one
        return lines, None


def definition(tree):
    """The function that a piece of source defines, or the one lambda in it."""
    if tree is None or len(tree.body) != 1:
        return None
    if isinstance(tree.body[0], (ast.FunctionDef, ast.AsyncFunctionDef)):
        return tree.body[0]
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    return lambdas[0] if len(lambdas) == 1 else None


def results(body):
    """The lines of a function's body that compute what it returns, what it keeps, and its `grads`."""
    statements = [node for statement in body for node in below(statement)]
    returns = [node for node in statements if isinstance(node, ast.Return)]
    if returns and isinstance(body[-1], ast.Return):
        returns = returns[-1:]  # the earlier ones are for odd cases
    named = {name for one in returns for name in names(one.value)}
    for node in statements:  # `self.grads["W"] = dW` hands out dW, as a `return` does
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            named |= names(node.value)
    lines = {line for one in returns or body[-1:] for line in span(one)}
    for node in statements:
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and (
            keeps_result(node) or (computes(node.value) and named & assigned(node))
        ):
            lines.update(span(node))
        elif fills(node, named):
            lines.update(span(node))
    return sorted(lines)


def fills(node, named):
    """Whether a statement writes into an array that is returned: `np.add.at(dx, index, dout)`, or `view += share`."""
    if isinstance(node, ast.AugAssign):
        return not isinstance(node.value, ast.Constant)
    called = node.value if isinstance(node, ast.Expr) else None
    given = called.args if isinstance(called, ast.Call) else []
    return any(isinstance(one, ast.Name) and one.id in named for one in given)


def below(statement):
    """A statement and those that it encloses, but not those of a function defined in it."""
    yield statement
    if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        for inner in ast.iter_child_nodes(statement):
            if isinstance(inner, ast.stmt):
                yield from below(inner)


def names(value):
    """The bare names that are returned: for `return dx, dy` both of them."""
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    return {part.id for part in parts if isinstance(part, ast.Name)}


def assigned(node):
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    parts = [p for t in targets for p in (t.elts if isinstance(t, ast.Tuple) else [t])]
    return {part.id for part in parts if isinstance(part, ast.Name)}


def keeps_result(node):
    """Whether something computed goes into an attribute, such as `self.mask`, or into `self.grads`."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    parts = [p for t in targets for p in (t.elts if isinstance(t, ast.Tuple) else [t])]
    return computes(node.value) and any(
        isinstance(p, (ast.Attribute, ast.Subscript)) for p in parts
    )


def computes(value):
    """Whether an expression does more than name something that is there already."""
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    plain = (ast.Name, ast.Constant, ast.Attribute, ast.Subscript, type(None))
    return any(not isinstance(part, plain) for part in parts)


def span(node):
    """The numbers of the lines of a piece of syntax, from 0."""
    return [*range(node.lineno - 1, node.end_lineno)]


def part(lines, shown, mark):
    return {"lines": lines, "shown": sorted({*shown, *mark}), "mark": sorted(mark)}


def excerpt(lines, shown, mark):
    """The lines shown alone, as far to the left as they go."""
    shown = sorted({*shown, *mark})
    text = textwrap.dedent("\n".join(lines[k] for k in shown)).splitlines()
    return part(text, range(len(text)), [shown.index(k) for k in mark])
