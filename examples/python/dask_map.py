#!/usr/bin/env python3
"""Sums an object of float32 values up on a Dask cluster of this machine, mapped by each worker.

    AWS_ENDPOINT_URL=… dask_map.py s3://bucket/key [--workers 2] [--parts 16]

What travels to the workers is the region's pickle: its URL, options and version. Each worker opens
the same version of the object, once, and fetches just its own parts: without pull="none" it would
read ahead, into those of others. A part has to fit into memory.

To be installed: r3map and NumPy (pip install './bindings/python[numpy]'), and dask[distributed].
"""

import argparse
import os
import sys

import distributed
import numpy

import r3map


def part_sum(region, first, count):
    """In a worker: its process, the sum, and how much of the object has come there."""
    region.populate(first * 4, count * 4)  # all of it at once, and an exception where it fails
    values = region.array(numpy.float32, count, first * 4)
    return os.getpid(), float(values.sum(dtype=numpy.float64)), region.stats().fetched


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--parts", type=int, default=16)
    arguments = parser.parse_args()

    with r3map.open(arguments.url, pull="none") as region, distributed.LocalCluster(
        n_workers=arguments.workers, threads_per_worker=1, dashboard_address=None
    ) as cluster, distributed.Client(cluster) as client:
        count = region.size // 4
        starts = [count * n // arguments.parts for n in range(arguments.parts + 1)]
        there = client.scatter(region, broadcast=True)  # one region a worker, not one a part
        results = client.gather([
            client.submit(part_sum, there, first, last - first, pure=False)
            for first, last in zip(starts, starts[1:])])
        fetched = {process: 0 for process, _, _ in results}
        for process, _, so_far in results:
            fetched[process] = max(fetched[process], so_far)
        for process, size in fetched.items():
            print(f"worker {process} fetched {size:,} of {region.size:,} bytes")
        print(f"sum {sum(part for _, part, _ in results):.10g}; fetched by all: "
              f"{sum(fetched.values()):,} bytes, here: {region.stats().fetched:,}")


if __name__ == "__main__":
    try:
        main()
    except (r3map.Error, ValueError) as error:
        sys.exit(f"dask_map.py: {error}")
