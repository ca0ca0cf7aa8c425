"""What a client must do to take part: the same work, in the way its own documentation shows."""

import importlib.metadata
import importlib.util
import pathlib
import shutil
import subprocess
import sys


class Peer:
    """One client in one process. The clock starts after `prepare`; `open` makes a new client.

    `where` is a harness.places.Place; options come from the row.
    """

    module = program = None  # what must be installed: a Python package or a program
    budget = None  # bytes that it may keep in memory

    def __init__(self, where):
        self.where = where

    @classmethod
    def missing(cls):
        """Why it can't run here, or None."""
        if cls.module and importlib.util.find_spec(cls.module) is None:
            return f"the Python package {cls.module} is not installed"
        if cls.program and find_program(cls.program) is None:
            return f"{cls.program} is not installed"
        return None

    @classmethod
    def version(cls):
        if cls.module:
            return importlib.metadata.version(cls.module)
        told = subprocess.run([find_program(cls.program), "--version"], capture_output=True,
                              text=True, check=False)
        return first_version(told.stdout)

    def prepare(self):
        """Imports and mounts."""

    def environment(self):
        """Credentials for a client that takes them from nowhere else."""
        return {"AWS_ACCESS_KEY_ID": self.where.access_key,
                "AWS_SECRET_ACCESS_KEY": self.where.secret_key, "AWS_REGION": self.where.region}

    def open(self):
        """A new client, ready to read; what it asks the server meanwhile is part of the cost."""

    def array(self):
        """The whole object as a NumPy array of float32."""
        raise NotImplementedError

    def page(self, offset):
        """The first value of the 4 KiB at `offset`, all of which are fetched."""
        raise NotImplementedError

    def gather(self, offsets, length):
        """An array of float32 for each offset, fetched together."""
        raise NotImplementedError

    def stats(self):
        """What else is worth telling; raises where the run shows something else than meant."""
        return {}

    def cpu_seconds(self):
        """Used so far by processes of its own."""
        return 0.0

    def close(self):
        pass


def find_program(name):
    """Also one that pip has put beside this Python."""
    return shutil.which(name) or shutil.which(name, path=pathlib.Path(sys.executable).parent)


def first_version(text):
    """The first word with a digit and a dot: "rclone v1.75.2" → "1.75.2"."""
    for word in text.split():
        word = word.lstrip("vV").strip(",;()")
        if "." in word and word[:1].isdigit():
            return word
    return "?"
