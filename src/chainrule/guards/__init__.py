"""Guards at the door: what is checked before the mathematics runs, and what is tidied up after it.

The modules of the core hold formulas alone. Here stand the small bases `Node`, `Layer`, `Loss`, `Model`
and `Optimizer` that their classes inherit from. When such a class is made, its own `forward` and
`backward` get a door: the door converts and checks what comes in, runs the method as it was written,
undoes broadcasting, and remembers what the way back must fit. The method itself stays underneath, in
`__wrapped__`, where `inspect.getsource` and `help` find it.

A class that inherits from nothing works everywhere as well: it has no door, and minds itself. One that
inherits from `ReLU`, say, keeps the doors of the methods that it does not write anew. Nothing here needs
to be read in order to understand backpropagation.
"""
