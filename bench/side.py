#!/usr/bin/env python3
"""One client does one task once, in a process of its own; for bench/run.

    side.py TASK PEER PLACE [NAME=JSON…]

PLACE is a harness.places.Place as JSON; the rest goes to the client if it is written as
peer.NAME=…, else to the task. Prints one line of JSON: seconds or latencies, and what else there
is to tell. Every value that was read is checked, after the clock has stopped.
"""

import json
import math
import os
import pathlib
import random
import resource
import statistics
import sys
import tempfile
import time

import numpy

import peers
from harness import content, places

GiB = 1 << 30
FLOATS = 4


def check(values, offsets):
    """`values`: the first ones at these offsets."""
    for value, offset in zip(values, offsets, strict=True):
        right = content.values(offset // FLOATS, 1)[0]
        if value != right:
            sys.exit(f"wrong bytes: at {offset} there is {value}, not {right}")


def random_pages(size, count, seed=1):
    pages = random.Random(seed).sample(range(1, size // 4096), min(count, size // 4096 - 1))
    return [page * 4096 for page in pages]


def cpu(client):
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime + client.cpu_seconds()


def status(name):
    """A line of /proc/self/status, in bytes."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise KeyError(name)


def task_sum(client, site):
    """From open to the sum of all."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
    memory, used, start = status("VmRSS"), cpu(client), time.perf_counter()
    client.open()
    total = float(client.array().sum())
    seconds = time.perf_counter() - start
    used = cpu(client) - used
    if total != site.sum:
        sys.exit(f"the sum is {total!r} instead of {site.sum!r}")
    told = {"seconds": seconds, "cpu_per_gib": used * GiB / site.size,
            "peak_bytes": status("VmHWM") - memory}
    if client.budget:
        told["peak_of_budget"] = told["peak_bytes"] / client.budget
    return told


def task_first(client, site, part):
    """From open to one value, `part` being how far into the object it is."""
    offset = int(site.size * part) // 4096 * 4096
    start = time.perf_counter()
    client.open()
    value = client.page(offset)
    seconds = time.perf_counter() - start
    check([value], [offset])
    return {"seconds": seconds}


def task_random(client, site, count):
    """The time of each of many pages that nobody has read yet."""
    client.open()
    values, latencies, offsets = [], [], random_pages(site.size, count)
    for offset in offsets:
        start = time.perf_counter()
        values.append(client.page(offset))
        latencies.append((time.perf_counter() - start) * 1000)
    check(values, offsets)
    return {"latencies_ms": latencies}


def task_gather(client, site, count, length):
    """Many rows fetched together, then summed."""
    rows = random.Random(1).sample(range(site.size // length), min(count, site.size // length))
    offsets = [row * length for row in rows]
    client.open()
    start = time.perf_counter()
    parts = client.gather(offsets, length)
    total = sum(float(part.sum()) for part in parts)
    seconds = time.perf_counter() - start
    right = sum(float(content.values(offset // FLOATS, length // FLOATS).sum())
                for offset in offsets)
    if not math.isclose(total, right, rel_tol=1e-6):
        sys.exit(f"the sum is {total} instead of {right}")
    return {"seconds": seconds}


def task_stride(client, site, step):
    """Single pages in order, far from each other."""
    offsets = range(0, site.size, step * 4096)
    client.open()
    start = time.perf_counter()
    values = [client.page(offset) for offset in offsets]
    seconds = time.perf_counter() - start
    check(values, offsets)
    return {"seconds": seconds}


def task_replay(client, site, count, replay=True):
    """The same pages as the first time, in an order that looks random, from a second open on."""
    offsets = random_pages(site.size, count)
    with tempfile.TemporaryDirectory(prefix="r3map-bench-") as folder:
        trace = os.path.join(folder, "trace")
        client.open(trace=trace)
        check([client.page(offset) for offset in offsets], offsets)
        client.close()
        start = time.perf_counter()
        client.open(**({"pull_order": trace} if replay else {}))
        values = [client.page(offset) for offset in offsets]
        seconds = time.perf_counter() - start
    check(values, offsets)
    return {"seconds": seconds}


TASKS = {"sum": task_sum, "first": task_first, "random": task_random, "gather": task_gather,
         "stride": task_stride, "replay": task_replay}


def main():
    task, name, text, *words = sys.argv[1:]
    site = places.Place(**json.loads(text))
    given = {"peer": {}, "task": {}}
    for word in words:
        left, _, value = word.partition("=")
        whose, _, option = left.rpartition(".")
        given[whose or "task"][option] = json.loads(value)
    client = peers.load(name)(site, **given["peer"])
    client.prepare()
    try:
        told = TASKS[task](client, site, **given["task"]) | client.stats()
    finally:
        client.close()
    if latencies := told.pop("latencies_ms", None):
        told |= {"latency_ms": statistics.median(latencies),
                 "p99_ms": sorted(latencies)[len(latencies) * 99 // 100]}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
