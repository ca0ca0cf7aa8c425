#!/usr/bin/env python3
"""Reads objects of the fault server, each in a process of its own, and tells what came of it.

    reader.py --subject r3map [--at-once N] < jobs > results

A job is a line of JSON: {"id", "step", "url", "endpoint", "size", "deadline", "limit"}; a result is
one too: {"id", "outcome", "text", "seconds", "grown"}. Outcomes: "right", the name of an exception,
"WRONG BYTES", "OTHER VERSION", "SIGBUS", "HANG" (more than `limit` seconds), "MEMORY" (more than
can be let go on), "CRASH". `grown` is by how much the process grew, in bytes.

This process imports everything once and forks for each job: a new interpreter for each would take
longer than all of the reading.
"""

import argparse
import json
import os
import resource
import selectors
import signal
import sys
import time

import subjects

MOST_MEMORY = 512 << 20


class Child:
    """One job under way."""

    def __init__(self, job, steps):
        self.job, self.data = job, b""
        self.rss = rss_of("self")
        self.start = time.monotonic()
        self.pipe, end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.pipe)
            perform(job, steps, end)
            os._exit(0)
        os.close(end)
        os.set_blocking(self.pipe, False)
        self.killed = None

    def kill_if_too_much(self):
        """Of time, or of everybody's memory."""
        if self.killed:
            return
        if time.monotonic() - self.start > self.job["limit"]:
            self.killed = {"outcome": "HANG", "text": f"more than {self.job['limit']} s"}
        elif rss_of(self.pid) > self.rss + MOST_MEMORY:
            self.killed = {"outcome": "MEMORY", "text": f"more than {MOST_MEMORY >> 20} MiB"}
        if self.killed:
            os.kill(self.pid, signal.SIGKILL)

    def result(self):
        os.close(self.pipe)
        _, status, usage = os.wait4(self.pid, 0)
        lines = self.data.decode().splitlines()
        result = json.loads(lines[-1]) if lines else {"outcome": "CRASH", "text": "no result"}
        code = os.waitstatus_to_exitcode(status)
        if self.killed:
            result = self.killed
        elif code == -signal.SIGBUS and result["outcome"] == "touching":
            result = {"outcome": "SIGBUS", "text": ""}
        elif code:
            result = {"outcome": "CRASH", "text": f"exit code {code}"}
        return result | {"id": self.job["id"], "seconds": time.monotonic() - self.start,
                         "grown": max(0, usage.ru_maxrss * 1024 - self.rss)}


def rss_of(process):
    with open(f"/proc/{process}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def perform(job, steps, end):
    """In the child."""
    def tell(outcome, text=""):
        os.write(end, (json.dumps({"outcome": outcome, "text": text[:300]}) + "\n").encode())

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a SIGBUS is a result like others
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    try:
        steps[job["step"]](job, tell)
        tell("right")
    except subjects.WrongBytes as error:
        tell(str(error))
    except Exception as error:  # noqa: BLE001
        tell(type(error).__name__, str(error))


def main():
    parser = argparse.ArgumentParser(description="reads objects of the fault server")
    parser.add_argument("--subject", choices=subjects.SUBJECTS, required=True)
    parser.add_argument("--at-once", type=int, default=12)
    arguments = parser.parse_args()
    steps = subjects.SUBJECTS[arguments.subject]()
    waiting = [json.loads(line) for line in sys.stdin]
    waiting.reverse()
    selector, under_way = selectors.DefaultSelector(), set()
    while waiting or under_way:
        while waiting and len(under_way) < arguments.at_once:
            child = Child(waiting.pop(), steps)
            under_way.add(child)
            selector.register(child.pipe, selectors.EVENT_READ, child)
        for key, _ in selector.select(0.2):
            child = key.data
            if piece := os.read(child.pipe, 65536):
                child.data += piece
                continue
            selector.unregister(child.pipe)
            under_way.remove(child)
            print(json.dumps(child.result()), flush=True)
        for child in under_way:
            child.kill_if_too_much()


if __name__ == "__main__":
    main()
