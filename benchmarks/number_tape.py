"""A graph of single numbers without objects, for scalar_graph.py to compare with.

The values are numbered as they are made. The tape holds one line per operation: the number of the result, and
for each of the two inputs its number and the local derivative with respect to it. (An operation with one input
repeats it, with the derivative 0.)
"""


class Tape:
    def __init__(self):
        self.values, self.lines = [], []

    def number(self, value):
        self.values.append(value)
        return len(self.values) - 1

    def add(self, i, j):
        out = self.number(self.values[i] + self.values[j])
        self.lines.append((out, i, 1.0, j, 1.0))
        return out

    def multiply(self, i, j):
        x, y = self.values[i], self.values[j]
        out = self.number(x * y)
        self.lines.append((out, i, y, j, x))
        return out

    def relu(self, i):
        x = self.values[i]
        out = self.number(x if x > 0 else 0.0)
        self.lines.append((out, i, float(x > 0), i, 0.0))
        return out

    def backward(self, out):
        grads = [0.0] * len(self.values)
        grads[out] = 1.0
        for out, i, by_i, j, by_j in reversed(self.lines):
            grads[i] += grads[out] * by_i
            grads[j] += grads[out] * by_j
        return grads
