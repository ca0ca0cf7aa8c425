"""One fault server, and one reader that takes the jobs of all selected scenarios, side by side."""

import collections
import json
import pathlib
import subprocess
import sys
import threading

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

import expectations  # noqa: E402
import faults  # noqa: E402
import servers  # noqa: E402

SIZES = {"http": (1 << 20) + 123, "s3": (6 << 20) + 77}
STEPS = [("http", "info"), ("http", "ranges"), ("http", "touch"), ("http", "cp"),
         ("s3", "read"), ("s3", "populate"), ("s3", "touch")]
HANG = 120  # seconds


@pytest.fixture(scope="session")
def fault_server():
    with servers.FaultServer() as server:
        yield server


def job(server, name, scheme, step):
    size = SIZES[scheme]
    more = [expectations.PARAMETERS[name]] if name in expectations.PARAMETERS else []
    path = "/".join([name, *more, f"size={size}", f"{scheme}-{step}"])
    return {"id": [name, scheme, step], "step": step, "endpoint": server.endpoint, "limit": HANG,
            "url": f"s3://{path}" if scheme == "s3" else f"{server.endpoint}/{path}",
            "size": 0 if name.startswith("empty") else size,
            "deadline": expectations.deadline(name, scheme)}


class Results:
    """What the reader tells, as it comes."""

    def __init__(self, jobs):
        self.found = collections.defaultdict(list)
        self.arrived = threading.Condition()
        self.ended = False
        self.reader = subprocess.Popen(
            [sys.executable, HERE / "reader.py", "--subject", "r3map"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.reader.stdin.write("".join(json.dumps(one) + "\n" for one in jobs))
        self.reader.stdin.close()
        self.thread = threading.Thread(target=self.collect)
        self.thread.start()

    def collect(self):
        for line in self.reader.stdout:
            result = json.loads(line)
            with self.arrived:
                self.found[result["id"][0]].append(result)
                self.arrived.notify_all()
        with self.arrived:
            self.ended = True
            self.arrived.notify_all()

    def of(self, name):
        with self.arrived:
            self.arrived.wait_for(lambda: self.ended or len(self.found[name]) == len(STEPS))
            assert len(self.found[name]) == len(STEPS), "the reader ended before its time"
            return self.found[name]

    def close(self):
        self.reader.kill()
        self.reader.wait()
        self.thread.join()
        self.reader.stdout.close()


@pytest.fixture(scope="session")
def results(fault_server, request):
    selected = {item.callspec.params["name"] for item in request.session.items
                if hasattr(item, "callspec") and "name" in item.callspec.params}
    results = Results([job(fault_server, name, scheme, step)
                       for name in faults.SCENARIOS if name in selected
                       for scheme, step in STEPS])
    yield results
    results.close()
