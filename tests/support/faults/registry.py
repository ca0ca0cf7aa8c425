"""The table of scenarios.

    async def name(c, request, reply): `c` is the connection, `reply` the honest answer, unsent
"""

import inspect

SCENARIOS = {}


class Scenario:
    def __init__(self, name, function, text, presets):
        self.name, self.function, self.text, self.presets = name, function, text, presets
        self.family = function.__module__.rpartition(".")[2]

    def __str__(self):
        presets = " ".join(f"{k}={v}" for k, v in self.presets.items() if k != "count")
        text = " ".join(self.text.split())
        if self.presets.get("count") == "get":
            text = "B " + text
        return f"{self.name:32} {text}" + (f"  [{presets}]" if presets else "")


def scenario(*names, **presets):
    """Registers a function. Presets stand for parameters that the URL does not give."""
    def register(function):
        for name in names:
            variant(name, function, inspect.getdoc(function), **presets)
        return function
    return register


def variant(name, function, text, **presets):
    """The same function under another name, with presets of its own."""
    assert name not in SCENARIOS, name
    SCENARIOS[name] = Scenario(name, function, text, presets)
