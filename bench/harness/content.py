"""The object that everybody reads: float32 values that can be computed for any place."""

import numpy

PIECE = 1 << 24


def values(first, count):
    index = numpy.arange(first, first + count, dtype=numpy.uint64)
    return ((index * 2654435761) & 0xFFFFFF).astype(numpy.float32) / numpy.float32(1 << 24)


def write(path, size):
    """Gives the sum, as numpy.sum over all of it has it."""
    with open(path, "wb") as file:
        for first in range(0, size // 4, PIECE):
            values(first, min(PIECE, size // 4 - first)).tofile(file)
    return float(numpy.fromfile(path, numpy.float32).sum())
