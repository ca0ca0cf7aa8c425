"""What a row is made of. The rows themselves are in bench/rows, by subject."""

import dataclasses
import importlib
import shlex

from harness import paths


@dataclasses.dataclass(frozen=True)
class Side:
    """Who does a row's work: a client of bench/peers, or a program with its arguments."""

    name: str
    kind: str = "peer"  # "r3map", "peer" or "limit"
    peer: str = ""  # of bench/peers; else its name
    options: dict = dataclasses.field(default_factory=dict)  # of the client
    arguments: dict = dataclasses.field(default_factory=dict)  # of the task, beside the row's
    program: tuple = ()  # one of bench/scenario, and its arguments


@dataclasses.dataclass(frozen=True)
class Figure:
    """One ratio or amount that is to be reached.

    form: "speed": how many times as fast as the other; "share": r3map's in units of the other's;
    "amount": r3map's own. metric: what of a run is compared.
    """

    against: str  # a side's name, "best peer", or "" for amounts
    reach: float | None = None  # at least for speed, else at most
    form: str = "speed"
    metric: str = "seconds"
    what: str = ""  # where it is not the row's
    shortfall: str = ""  # why it may not be reached; told when it is not

    @property
    def reach_text(self):
        if self.reach is None:
            return "–"
        return f"{'≥' if self.form == 'speed' else '≤'} {self.reach:g}"

    def met(self, value):
        if self.reach is None:
            return None
        return value >= self.reach if self.form == "speed" else value <= self.reach


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    what: str
    sides: tuple  # r3map's first
    figures: tuple
    task: str = ""  # of side.py's TASKS, for clients
    arguments: dict = dataclasses.field(default_factory=dict)  # of the task
    store: str = ""  # "s3" or "http"; "": none
    latency_ms: int = 0
    times: int = 1  # so many times the usual number of runs: for what is over in a moment


R3MAP = Side("r3map", "r3map")
CURL_FRESH = Side("curl-fresh", "limit", "curl")
CURL_TOUCHED = Side("curl-touched", "limit", "curl", {"touched": True})


def every():
    found = []
    for file in sorted((paths.BENCH / "rows").glob("*.py")):
        if file.stem != "__init__":
            found += importlib.import_module(f"rows.{file.stem}").ROWS
    return found


def shown(command):
    text = shlex.join(map(str, command)).replace(f"{paths.ROOT}/", "")
    return text if len(text) < 200 else text[:200] + "…"
