"""Where things are."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / "bench"
PYTHON = ROOT / "build/venv/bin/python"
OUT = ROOT / "build/bench"

sys.path.insert(0, str(ROOT / "tests/support"))
