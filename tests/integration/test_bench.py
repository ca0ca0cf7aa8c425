"""bench/run --quick: every row works, and its JSON has the shape that reports are made from."""

import json
import pathlib
import subprocess
import sys

import pytest

import required

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "bench"))

from harness import report  # noqa: E402

PROGRAM = ROOT / "build/dev/bench/r3map-bench-faults"
SUMMARY = {"median", "min", "max", "quartiles"}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The JSON of each row, by its name."""
    if not PROGRAM.exists():
        required.missing("r3map-bench-faults is missing: cmake --build --preset dev")
    required.module("r3map")
    out = tmp_path_factory.mktemp("bench")
    done = subprocess.run([ROOT / "bench/run", "--quick", "--out", out], capture_output=True,
                          text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return {file.stem: json.loads(file.read_text()) for file in out.glob("*.json")}


def test_every_row_ran(results):
    listed = subprocess.run([ROOT / "bench/run", "--list"], capture_output=True, text=True,
                            timeout=60, check=True).stdout
    assert set(results) == {line.split()[0] for line in listed.splitlines()}


def test_every_side_ran_or_is_named(results):
    for row in results.values():
        assert "r3map" in row["sides"], row["row"]
        for side in row["sides"].values():
            assert side["runs"] and side["metrics"] and side["command"]
            assert all(set(told) == SUMMARY for told in side["metrics"].values())
        assert all(row["skipped"].values())


def test_limits_need_nothing_that_is_not_here(results):
    assert not {"curl-fresh", "curl-touched"} & {
        name for row in results.values() for name in row["skipped"]}


def test_figures(results):
    for row in results.values():
        assert row["figures"], row["row"]
        for figure in row["figures"]:
            assert figure["what"] and figure["reach"]
            if figure["value"] is None:  # who it is against is not installed
                assert figure["against"] in ("best peer", *row["skipped"])
            else:
                assert figure["value"] > 0 and figure["met"] in (True, False, None)


def test_the_machine(results):
    for row in results.values():
        assert row["machine"]["cores"] and row["machine"]["kernel"]
        versions = row["machine"]["versions"]
        assert {"r3map", "libcurl", "MinIO", "nginx", "toxiproxy"} <= set(versions)
        assert row["when"] and 0 <= row["busy_before"] <= 1


@pytest.mark.parametrize("value, met, text", [
    (0.8991, False, "0.899 (0.800–1.000)"), (0.9, True, "0.90 (0.80–1.00)"),
    (0.85, False, "0.85 (0.80–1.00)"), (None, None, "not measured")])
def test_a_near_miss_does_not_look_like_a_hit(value, met, text):
    figure = {"value": value, "met": met, "reach": "≥ 0.9",
              "spread": {"median": value, "min": 0.8, "max": 1.0}}
    assert report.figure_text(figure) == text
