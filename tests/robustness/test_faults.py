"""r3map against each fault that the server of tests/support can play: the right bytes or a clear
error, always; and which of them, so that a change does not go unnoticed."""

import collections

import pytest
import r3map

import expectations
import faults
import servers
from conftest import SIZES

ROOM = 96 << 20  # what a process may grow by beside the object and its copy


def test_every_scenario_is_expected_once():
    assert sorted(expectations.names()) == sorted(faults.SCENARIOS)
    assert not set(expectations.S3) - set(faults.SCENARIOS)
    assert not set(expectations.PARAMETERS) - set(faults.SCENARIOS)


@pytest.mark.parametrize("name", faults.SCENARIOS)
def test_scenario(name, results):
    wrong = collections.defaultdict(list)
    for result in results.of(name):
        _, scheme, step = result["id"]
        outcomes = expectations.expected(name, scheme, step)
        if result["outcome"] not in outcomes:
            wrong[f"{result['outcome']} instead of {outcomes}: {result['text']}"].append(
                f"{scheme} {step}")
        if result["grown"] > 2 * SIZES[scheme] + ROOM:
            wrong[f"grew by {result['grown'] >> 20} MiB"].append(f"{scheme} {step}")
        text = result["text"].rstrip("\n")
        if result["outcome"] not in ("right", "SIGBUS") and not (text and text.isprintable()):
            wrong[f"no clear message: {text!r}"].append(f"{scheme} {step}")
    if wrong:
        pytest.fail(f"{faults.SCENARIOS[name]}\n" + "\n".join(
            f"{', '.join(steps)}: {what}" for what, steps in wrong.items()), pytrace=False)


# After these the object can be read again. What says that it is another one is for good.
PASSING = ["500", "503", "429", "reset-on-accept", "reset-in-body", "close-before-headers",
           "stall-before-headers", "truncate-at-once", "garbage", "wrong-content-range",
           "multipart", "endless-headers", "403", "no-ranges", "total-unknown", "no-body", "ok"]


def test_a_region_lives_through_all_that_pass(fault_server):
    """One region, one fault after another: each is an error or right, and none leaves a trace."""
    size = 4 << 20
    url = f"{fault_server.endpoint}/switch/size={size}/lives"
    piece = size // len(PASSING)
    with r3map.open(url, pull="none", deadline=1) as region:
        for number, name in enumerate(PASSING):
            fault_server.switch(name, after=0)
            offset = 100_000 + number * piece
            try:
                region.populate(offset, 20_000)
            except r3map.Error as error:
                assert not isinstance(error, r3map.StaleError), f"{name}: {error}"
        fault_server.switch("ok")
        region.populate()
        assert region[:] == servers.content(0, size)


@pytest.mark.parametrize("mode, error", [
    ("stall", r3map.DeadlineError), ("close", r3map.NetworkError), ("reset", r3map.NetworkError),
    ("garbage", r3map.NetworkError), ("alert", r3map.NetworkError)])
def test_a_server_that_fails_at_tls(fault_server, mode, error):
    fault_server.spoil_tls(mode)
    with pytest.raises(error):
        r3map.info(f"https://{fault_server.address}/ok/x", deadline=3)
