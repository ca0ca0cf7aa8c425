"""Runs of a row's sides in turn, each in a fresh process, and what follows from them."""

import dataclasses
import json
import os
import statistics
import subprocess
import time

import peers
from harness import paths, rows


PATIENCE = 120  # seconds, for one run


class Failed(Exception):
    pass


def summary(values):
    low = high = values[0]
    if len(values) > 1:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "quartiles": [low, high]}


class Chain:
    """All runs of one row."""

    def __init__(self, row, place, programs, environment):
        self.row, self.place, self.programs, self.environment = row, place, programs, environment
        self.skipped, self.told = {}, {}
        for side in row.sides:
            if missing := self._missing(side):
                self.skipped[side.name] = missing
            else:
                self.told[side.name] = []
        self.sides = {side.name: side for side in row.sides if side.name in self.told}

    @staticmethod
    def _missing(side):
        return None if side.program else peers.load(side.peer or side.name).missing()

    def command(self, side):
        if side.program:
            return [self.programs / "r3map-bench-faults", *side.program]
        given = [f"{name}={json.dumps(value)}"
                 for name, value in (self.row.arguments | side.arguments).items()]
        given += [f"peer.{name}={json.dumps(value)}" for name, value in side.options.items()]
        return [paths.PYTHON, paths.BENCH / "side.py", self.row.task, side.peer or side.name,
                json.dumps(dataclasses.asdict(self.place)), *given]

    def once(self, side):
        command = self.command(side)
        try:
            done = subprocess.run([*map(str, command)], cwd=paths.ROOT, capture_output=True,
                                  text=True, env=os.environ | self.environment, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.row.name}, {side.name}: no end in {PATIENCE} s") from None
        if done.returncode:
            raise Failed(f"{self.row.name}, {side.name}: {rows.shown(command)} ended with "
                         f"{done.returncode}\n{done.stderr[-2000:]}")
        told = json.loads(done.stdout)
        if latencies := told.pop("latencies_us", None):
            told["latency_ms"] = statistics.median(latencies) / 1000
            told["p99_ms"] = sorted(latencies)[len(latencies) * 99 // 100] / 1000
        return told

    def warm(self):
        """Once each, for servers, files and page cache. A peer that fails takes no part."""
        for side in list(self.sides.values()):
            try:
                self.once(side)
            except Failed as failed:
                if side.kind != "peer":
                    raise
                self.skipped[side.name] = f"it failed: {str(failed).splitlines()[-1][:200]}"
                del self.sides[side.name], self.told[side.name]

    def run(self, count, progress):
        """r3map before and after every other one: each run has neighbours to be compared with."""
        ours, *others = self.sides.values()
        for number in range(count):
            # Who goes first changes, so that nobody always follows the same one.
            turn = number % len(others) if others else 0
            for side in (others[turn:] + others[:turn]) or [None]:
                for next_one in (ours, side) if side else (ours,):
                    self.told[next_one.name].append(
                        self.once(next_one) | {"at": time.monotonic()})
                progress()
        if others:
            self.told[ours.name].append(self.once(ours) | {"at": time.monotonic()})

    def ratios(self, name, metric, form):
        """Of each run of a side to r3map's before and after it."""
        ours = self.told[self.row.sides[0].name]
        found = []
        for other in self.told[name]:
            before = [run for run in ours if run["at"] < other["at"]][-1]
            after = [run for run in ours if run["at"] > other["at"]][0]
            ratio = other[metric] / statistics.mean([before[metric], after[metric]])
            found.append(ratio if form == "speed" else 1 / ratio)
        return found

    def best_peer(self, metric):
        """The name of the one with the least, or None."""
        found = [side for side in self.sides.values() if side.kind == "peer"]
        return min(found, default=None, key=lambda side: statistics.median(
            run[metric] for run in self.told[side.name])).name if found else None

    def figure(self, figure):
        """A figure's value, or None where who it is against is missing."""
        told = dataclasses.asdict(figure) | {"reach": figure.reach_text,
                                             "what": figure.what or self.row.what}
        against = figure.against
        if figure.form == "amount":
            values = [run[figure.metric] for run in self.told[self.row.sides[0].name]]
        else:
            if against == "best peer":
                against = self.best_peer(figure.metric)
            if against not in self.told:
                return told | {"against": figure.against, "value": None, "met": None}
            values = self.ratios(against, figure.metric, figure.form)
            if figure.against == "best peer":
                told["against"] = f"best peer: {against}"
        value = statistics.median(values)
        return told | {"value": value, "spread": summary(values), "met": figure.met(value)}

    def result(self):
        """For the row's JSON file."""
        row = self.row
        sides = {}
        for name, runs in self.told.items():
            metrics = [key for key, value in runs[0].items()
                       if isinstance(value, (int, float)) and key != "at"]
            sides[name] = {
                "kind": self.sides[name].kind,
                "command": rows.shown(self.command(self.sides[name])),
                "metrics": {key: summary([run[key] for run in runs]) for key in metrics},
                "runs": runs}
            if name != row.sides[0].name and "seconds" in metrics:
                sides[name]["speed"] = summary(self.ratios(name, "seconds", "speed"))
        return {"row": row.name, "what": row.what, "command": f"bench/run --only {row.name}",
                "sides": sides, "skipped": self.skipped,
                "figures": [self.figure(figure) for figure in row.figures]}
