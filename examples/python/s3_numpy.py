#!/usr/bin/env python3
"""Shows that a NumPy array on a remote object is there at once, and its pages when touched.

    AWS_ENDPOINT_URL=… AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… s3_numpy.py s3://bucket/key

The object holds float32 values. With --expect-sum the sum over all of them is verified.

To be installed: r3map and NumPy (pip install './bindings/python[numpy]').
"""

import argparse
import math
import sys
import time

import numpy

import r3map


def size(count):
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--expect-sum", type=float, help="exit with 1 if the sum is another")
    parser.add_argument("--deadline", type=float, help="seconds for a page or call (60)")
    arguments = parser.parse_args()

    start = time.perf_counter()
    print("    time   resident    fetched")

    def report(text):
        seconds = time.perf_counter() - start
        stats = region.stats()
        print(f"{seconds:7.3f}s {size(stats.resident):>10} {size(stats.fetched):>10}   {text}",
              flush=True)

    with r3map.open(arguments.url, deadline=arguments.deadline) as region:
        values = region.array(numpy.float32)
        report(f"mapped {arguments.url}: {values.size:,} values, {size(values.nbytes)}")
        if not values.size:
            print("the object is empty", file=sys.stderr)
            return 1
        report(f"values[0] = {values[0]:g}")
        middle = values.size // 2
        report(f"values[{middle:,}] = {values[middle]:g}")

        parts, total = 8, 0.0
        for part in range(parts):
            first, last = (values.size * n // parts for n in (part, part + 1))
            total += float(values[first:last].sum(dtype=numpy.float64))
            report(f"sum of the first {part + 1}/{parts} = {total:.10g}")

    if arguments.expect_sum is None:
        return 0
    # Additions in another order may differ in the last digits.
    if math.isclose(total, arguments.expect_sum, rel_tol=1e-12):
        print("the sum is as expected")
        return 0
    print(f"the sum should be {arguments.expect_sum!r}, and is {total!r}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except r3map.Error as error:
        sys.exit(f"s3_numpy.py: {error}")
