"""What tests can't do without: where it is missing they are skipped by its name, except with
R3MAP_REQUIRE_ALL=1 (scripts/test sets it where CI=true), where that is a failure."""

import importlib
import os
import pathlib
import shutil

import pytest

import servers

ROOT = pathlib.Path(__file__).resolve().parents[2]


def missing(what):
    if os.environ.get("R3MAP_REQUIRE_ALL") == "1":
        pytest.fail(what, pytrace=False)
    pytest.skip(what, allow_module_level=True)


def module(name):
    """A Python module; also where a file of tests begins."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):  # it is here, and broken
            raise
        missing(f"{name} is missing: scripts/install test")


def program(name):
    return shutil.which(name) or missing(f"{name} is missing: apt install {name}")


def command():
    """The r3map command."""
    path = f"{os.environ['PATH']}:{ROOT / 'build/dev/cli'}"
    return shutil.which("r3map", path=path) or missing("the r3map command is not built")


def root(why):
    if os.getuid() != 0:
        missing(f"not root: {why}")


def server(server_class, *arguments):
    """One of servers.py, to be started."""
    try:
        return server_class(*arguments)
    except servers.MissingPrerequisite as error:
        missing(str(error))
