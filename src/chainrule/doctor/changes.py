"""Changes: one at a time, in the syntax tree of a definition: a sign, a name, a number, a term, a statement.

They are those between which a slip may lie, the plainest first; each comes with the code of the mistake that it would undo.
"""

import ast
from functools import cache
from itertools import product

ARRAYS = (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.Call)
PLUS, TIMES = (ast.Add, ast.Sub), (ast.Mult, ast.Div)
TURNED = {ast.Gt: "<", ast.GtE: "<=", ast.Lt: ">", ast.LtE: ">="}
REDUCTIONS = ("sum", "mean", "max", "min", "cumsum", "prod", "argmax", "std", "var")
REVERSED = ("::-1", ":, ::-1", "..., ::-1")
SLOPES = ("{0} * (1 - {0})", "1 - {0} ** 2")
FACTORS = """{} 1/{} (1-{}) (1-{}**2) np.log({}) np.exp({}) len({}) 1/len({})
    1/{}[...,None] {}.sum(-1,keepdims=True)""".split()


def owner(function):
    """What a method calls its object, as self; "" for a plain function."""
    within = function.__qualname__.split(".")[-2:-1]
    return "" if within in ([], ["<locals>"]) else function.__code__.co_varnames[0]


def kept_by(functions):
    """The text of what any of the functions keeps; and of what forward gives, where its inputs are kept."""
    kept = {text for function, tree, _ in functions for text in held(function, tree)}
    for _, tree, _ in functions:
        if getattr(tree, "name", "") == "forward":
            inputs = [f"self.{one.arg}" for one in tree.args.args[1:]]
            kept |= {f"self.forward({', '.join(inputs)})"} if kept.issuperset(inputs) else set()
    return kept


def held(function, tree):
    """What a definition can take from elsewhere: what its object keeps, as self.x, and odd numbers."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == owner(function):
            if id(node) not in called:
                yield f"self.{node.attr}"
        if isinstance(node, ast.Constant) and type(node.value) is float and abs(node.value) < 10:
            yield ast.unparse(node)


def known_in(function, tree, kept):
    """The text of each value that a definition could use -> a node that loads it."""
    nodes, own = list(ast.walk(tree)), owner(function)
    texts = {node.id for node in nodes if isinstance(node, ast.Name) and not loads(node)}
    texts |= {node.arg for node in nodes if isinstance(node, ast.arg)} - {own}
    texts |= {text.replace("self.", f"{own}.") for text in kept if own or "self." not in text}
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    parts = [one for one in nodes if isinstance(one, ast.Attribute) and id(one) not in called]
    owners = {one.value.id for one in parts if isinstance(one.value, ast.Name)} & {*texts, own}
    attributes = {one.attr for one in parts if ast.unparse(one.value) in owners}
    if owners - {own}:  # as out.grad, self.data
        texts |= {f"{one}.{attribute}" for one, attribute in product(owners, attributes)}
    for node in nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.slice, (ast.Constant, ast.Name)):
            plain = isinstance(node.value, (ast.Name, ast.Attribute))
            texts |= {ast.unparse(node)} if plain else set()
    return {text: parsed(text) for text in sorted(texts)}


def changes(function, tree, way, kept, lines):
    """(code, words, line) for each change of one kind in these lines, which is made while the caller looks."""
    known = known_in(function, tree, kept)
    backward = [node for node in ast.walk(tree) if "back" in getattr(node, "name", "")]
    douts = {one.arg for node in backward for one in node.args.args}
    for holder, key, node, parent in list(places(tree, lines)):
        for code, words, other in way(node, parent, known):
            if code == "another-array" and ast.unparse(node) in douts:
                code = "unknown"
            elif code == "factor-missing" and str(other).rpartition(" * ")[2] in douts:
                code = "upstream-ignored"
            change(holder, key, parsed(other) if isinstance(other, str) else other)
            yield code, words, getattr(node, "lineno", getattr(parent, "lineno", tree.lineno))
            change(holder, key, node)


def change(holder, key, node):
    if isinstance(holder, list):
        holder[key] = node
    else:
        setattr(holder, key, node)


def places(tree, lines):
    """(holder, key, node, parent) for each statement that ran and each expression in it; the holder is the
    parent, or a list in it. Counters, and what only a choice needs, are left out."""
    left = [(tree, "body", tree.body, tree)]
    while left:
        holder, key, value, parent = left.pop(0)
        if isinstance(value, list):
            left = [(value, k, one, parent) for k, one in enumerate(value)] + left
        elif isinstance(value, ast.AST):
            statement = isinstance(value, ast.stmt)
            own = range(value.lineno, value.end_lineno + 1) if statement else lines
            counts = isinstance(value, ast.AugAssign) and isinstance(value.value, ast.Constant)
            choice = isinstance(value, ast.Compare) and any(map(is_text, ast.walk(value)))
            test = value is getattr(parent, "test", None)
            choice |= test and isinstance(value, (ast.Name, ast.Attribute))
            mark_places(value)
            if not lines.isdisjoint(own) and not counts and not choice:
                yield holder, key, value, parent
                left = [(value, name, one, value) for name, one in ast.iter_fields(value)] + left


def mark_places(node):
    """Say of each number whether it is an index, or the start or the end of a slice."""
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, (ast.Slice, ast.Tuple)):
        ends, place = [node.slice], "index"
    else:
        ends, place = [getattr(node, "lower", None), getattr(node, "upper", None)], "slice"
    for one in ends:
        for inner in ast.walk(one) if isinstance(one, ast.AST) else ():
            inner.place = place


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_number(node):
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


@cache
def parsed(text):
    return ast.parse(text, mode="eval").body


def loads(node):
    return isinstance(node, ARRAYS) and not isinstance(getattr(node, "ctx", None), ast.Store)


def is_binary(node, operators):
    return isinstance(node, ast.BinOp) and isinstance(node.op, operators)


def whole(node, parent):
    """Whether it is all that is multiplied there: a factor more beside another one is the same one more."""
    inside = isinstance(parent, (ast.Subscript, ast.keyword, ast.UnaryOp, ast.Starred))
    inside |= isinstance(parent, ast.Attribute) and not isinstance(node, ast.BinOp)
    inside |= is_binary(parent, TIMES) or getattr(node, "attr", "") == "shape"
    return loads(node) and not inside and node is not getattr(parent, "func", None)


def told(node):
    text = ast.unparse(node)
    return f"`{text}`" if len(text) < 40 else f"`{text[:36]} ...`"


def both(node):
    return f"({ast.unparse(node.left)})", f"({ast.unparse(node.right)})"


def calls(node, parent, known):
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "unknown", "without the call", ast.Pass()


def signs(node, parent, known):
    if is_binary(node, PLUS):
        turned = " - ".join(both(node)) if isinstance(node.op, ast.Add) else " + ".join(both(node))
        yield "wrong-sign", f"with the sign of {told(node.right)} turned", turned
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "wrong-sign", f"with the sign of {told(node.operand)} turned", node.operand
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, PLUS):
        turned = ast.AugAssign(node.target, node.op, ast.UnaryOp(ast.USub(), node.value))
        yield "wrong-sign", f"with the sign of {told(node.value)} turned", turned
    elif whole(node, parent):
        yield "wrong-sign", f"with the sign of {told(node)} turned", f"-({ast.unparse(node)})"


def names(node, parent, known):
    own = ast.unparse(node) if loads(node) else None
    for text in sorted({*known} - {own}) if own in known else ():
        if ".forward(" not in text:
            code = "mask-inverted" if isinstance(parent, ast.Compare) else "another-array"
            yield code, f"with something else in place of {told(node)}", text
    if own in known:
        column = f"({own})[:, None]"
        yield "broadcast-targets", f"with {told(node)} as a column", column
        words = f"with {told(node)} less its mean"
        for axis in (0, -1):
            yield "another-array", words, f"({own} - {own}.mean({axis}, keepdims=True))"


def numbers(node, parent, known):
    if not is_number(node):
        return
    if is_axis(node, parent):
        for axis in {0, 1, 2, -1} - {node.value}:
            yield "sum-over-wrong-axis", f"along another axis than `{node.value}`", str(axis)
        return
    c = node.value
    counts = isinstance(parent, ast.Subscript) and getattr(parent.value, "attr", "") == "shape"
    code = "samples-as-columns" if counts else "scaled" if is_binary(parent, TIMES) else "unknown"
    if place := not counts and getattr(node, "place", ""):
        code = "another-array" if place == "index" else "axes-in-wrong-order"
    for value in dict.fromkeys((c + 1, c - 1, -c, 2 * c, c / 2, 0, 1, 2)):
        if value == c:
            continue
        value = int(value) if type(c) is int and value == int(value) else value
        yield code, f"with another number in place of `{c}`", str(value)


def is_axis(node, parent):
    """Whether a number is an axis: axis=0, or x.sum(0), or np.sum(x, 0)."""
    if isinstance(parent, ast.keyword):
        return parent.arg == "axis"
    if not isinstance(parent, ast.Call) or getattr(parent.func, "attr", "") not in REDUCTIONS:
        return False
    return parent.args.index(node) == (ast.unparse(parent.func.value) == "np")


def operators(node, parent, known):
    if is_binary(node, TIMES):
        other = " / ".join(both(node)) if isinstance(node.op, ast.Mult) else " * ".join(both(node))
        yield "unknown", f"with another operator in {told(node)}", other
    elif is_binary(node, ast.MatMult):
        words = f"with {told(node)} the other way round"
        yield "weight-not-transposed", words, " @ ".join(both(node)[::-1])
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in TURNED:
        left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
        turned = f"({left}) {TURNED[type(node.ops[0])]} ({right})"
        yield "mask-inverted", f"with the comparison {told(node)} turned round", turned
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "np.where" and node.args[2:]:
        test, one, two = node.args
        other = ast.Call(node.func, [test, two, one], [])
        yield "mask-inverted", f"with {told(node)} turned round", other
    elif isinstance(node, ast.Attribute) and node.attr in ("sum", "mean"):
        other = f"({ast.unparse(node.value)}).{'mean' if node.attr == 'sum' else 'sum'}"
        yield "scaled", f"with something else than `{node.attr}`", other


def turns(node, parent, known):
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "weight-not-transposed", f"with {told(node.value)} not transposed", node.value
    elif loads(node):
        yield "weight-not-transposed", f"with {told(node)} transposed", f"({ast.unparse(node)}).T"
    elif isinstance(node, ast.Slice) and (node.lower is None) != (node.upper is None):
        other = ast.Slice(node.upper, node.lower, node.step)
        yield "axes-in-wrong-order", f"with the slice `{ast.unparse(node)}` at the other end", other
    for index in REVERSED if loads(node) else ():
        own = f"({ast.unparse(node)})[{index}]"
        yield "axes-in-wrong-order", f"with {told(node)} the other way round", own
        if isinstance(node, ast.Call) and node.args:
            first = parsed(f"({ast.unparse(node.args[0])})[{index}]")
            run = ast.Call(node.func, [first, *node.args[1:]], node.keywords)
            words = f"with {told(node)} run the other way"
            yield "axes-in-wrong-order", words, f"({ast.unparse(run)})[{index}]"


def statements(node, parent, known):
    if isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Tuple):
        other = ast.AugAssign(node.targets[0], ast.Add(), node.value)
        yield "overwritten-at-fork", "with += in place of =", other
    if isinstance(node, ast.AugAssign):
        yield "unknown", "with = in place of +=", ast.Assign([node.target], node.value)
    if isinstance(node, (ast.Assign, ast.AugAssign)):
        yield "unknown", "without the term", ast.Pass()
    if isinstance(node, ast.For):
        *body, last = node.body
        loop = ast.For(node.target, node.iter, body or [ast.Pass()], [])
        after = ast.If(ast.Constant(True), [loop, last], [])
        yield "unknown", f"with {told(last)} after the loop", after
        back = parsed(f"list({ast.unparse(node.iter)})[::-1]")
        back = ast.For(node.target, back, node.body, [])
        yield "unknown", "with the loop the other way round", back


def parts(node, parent, known):
    if isinstance(node, ast.BinOp):
        what = "term" if isinstance(node.op, PLUS) else "factor"
        code = "another-array" if what == "factor" else "unknown"
        right = "scaled" if is_number(node.right) and what == "factor" else code
        yield right, f"without the {what} {told(node.right)}", node.left
        if not isinstance(node.op, (ast.Div, ast.Pow)):
            yield code, f"without the {what} {told(node.left)}", node.right
    elif isinstance(node, ast.Subscript) and loads(node):
        yield "unknown", f"without the index of {told(node)}", node.value
    elif isinstance(node, ast.Call):
        method = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        for inner in [*node.args[:1], *method]:
            yield "unknown", f"without the call {told(node)}", inner


def others(node, parent, known):
    words, product_of = f"with something else in place of {told(node)}", is_binary(parent, TIMES)
    for text in known if loads(node) and ast.unparse(node) in known else ():
        if ".forward(" in text:
            yield "factor-missing" if product_of else "derivative-of-input", words, text
    if isinstance(node, ast.Call):
        for text, form in product(known, SLOPES):
            yield "another-array", words, form.format(text)
    elif is_number(node) and not is_axis(node, parent):
        one = node.value == 1 and not is_binary(parent, PLUS)
        for text in known:
            yield "factor-missing" if product_of or one else "unknown", words, text


def more(node, parent, known):
    if not whole(node, parent):
        return
    own, all_of_it = f"({ast.unparse(node)})", (ast.Return, ast.Assign, ast.Dict, ast.Tuple)
    for text, form in product(known, FACTORS):
        code = "unknown" if "sum" in form else "factor-missing"
        yield code, f"with a factor more at {told(node)}", f"{own} * {form.format(text)}"
    for text, op in product(known, "+-"):
        small = "eps" in text.lower() or is_number(parsed(text)) and float(text) < 0.1
        code = "overwritten-at-fork" if isinstance(parent, all_of_it) else "unknown"
        code = "epsilon-forgotten" if small else code
        yield code, f"with a term more at {told(node)}", f"{own} {op} {text}"


WAYS = (calls, signs, names, numbers, operators, turns, statements, parts, others, more)
