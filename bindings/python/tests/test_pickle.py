"""A region's pickle is its specification; who loads it has the same version, or an error."""

import concurrent.futures
import copy
import importlib.machinery
import multiprocessing
import os
import pickle
import subprocess
import sys

import numpy
import pytest
import required
from conftest import in_child

import r3map


@pytest.fixture
def file(make_file):
    return make_file(3 << 20)


def checksum(region, offset, length):
    """In a worker: of another process, with a region of its own."""
    return os.getpid(), int(region.array(numpy.uint8, length, offset).sum(dtype=numpy.uint64))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers(file, method):
    url, data = file
    context = multiprocessing.get_context(method)
    with r3map.open(url, budget="2M", chunk_size="64K") as region, \
            concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        results = list(pool.map(checksum, [region] * 3, range(0, 3 << 20, 1 << 20), [1 << 20] * 3))
    assert os.getpid() not in {process for process, _ in results}
    assert [total for _, total in results] == [sum(data[n << 20:(n + 1) << 20]) for n in range(3)]


def test_specification_and_no_bytes(file):
    url, data = file
    with r3map.open(url, budget="2M", chunk_size="64K", pull="none", deadline=7,
                    priority=numpy.array([(0, 4096)]), fetch_limits=(3, "1M")) as region:
        region.populate(0, 1 << 20)
        text = pickle.dumps(region)
        assert len(text) < 1000
        again = pickle.loads(text)
        assert again is not region and again.url == url and again.version == region.version
        assert again.stats().budget == 2 << 20
        assert pickle.dumps(again) == text
        assert again.read() == data
    for call in (copy.copy, copy.deepcopy):
        with r3map.open(url) as region, call(region) as again:
            assert again is not region and again[:10] == data[:10]


def test_another_version_is_stale(file):
    url, data = file
    with r3map.open(url) as region:
        text = pickle.dumps(region)
    path = url[len("file://"):]
    os.utime(path, ns=(0, 0))
    with pytest.raises(r3map.StaleError, match="version") as caught:
        pickle.loads(text)
    assert caught.value.url == url
    os.unlink(path)
    with pytest.raises(FileNotFoundError):
        pickle.loads(text)


def test_another_size_where_there_are_no_versions(monkeypatch):
    with r3map.open("memory:4K") as region:
        reopen, arguments = region.__reduce__()
        assert reopen(*arguments).size == 4096
        url, specification, size, version = arguments
        with pytest.raises(r3map.StaleError):
            reopen(url, specification, size + 1, version)


def test_relative_paths(file, monkeypatch):
    url, data = file
    path = url[len("file://"):]
    monkeypatch.chdir(os.path.dirname(path))
    with r3map.open(f"./{os.path.basename(path)}") as region:
        text = pickle.dumps(region)
    monkeypatch.chdir("/")
    assert pickle.loads(text).read() == data


def test_the_trace_stays_the_first_ones(file, folder):
    trace = folder / "trace"
    with r3map.open(file[0], trace=trace) as region:
        region.populate(0, 4096)
        with pickle.loads(pickle.dumps(region)) as other:
            other.populate()
        assert not trace.exists()
    assert trace.exists()


def test_closed_and_forked(file):
    region = r3map.open(file[0])
    region_of_the_parent = r3map.open(file[0])
    region.close()
    with pytest.raises(r3map.InvalidError, match="closed"):
        pickle.dumps(region)

    def child():
        with pytest.raises(r3map.ForkedError):
            pickle.dumps(region_of_the_parent)

    assert in_child(child) == 0


# torch may be the distribution's, of which a virtual environment sees nothing. Then its NumPy is not
# the one that torch was built with: bytes go from one to the other, not arrays.
DISTRIBUTION = "/usr/lib/python3/dist-packages"
DATA_LOADER = f"""
import os, sys
sys.path.append({DISTRIBUTION!r})
import torch.utils.data
import r3map

class Rows(torch.utils.data.Dataset):
    def __init__(self, region):
        self.region = region

    def __len__(self):
        return len(self.region) // 4096

    def __getitem__(self, row):
        data = bytearray(self.region.read(row * 4096, 4096))
        return os.getpid(), torch.frombuffer(data, dtype=torch.uint8)

if __name__ == "__main__":
    rows = Rows(r3map.open(sys.argv[1]))
    loader = torch.utils.data.DataLoader(rows, batch_size=64, num_workers=2,
                                         multiprocessing_context="spawn")
    batches = list(loader)
    print(len({{process for processes, _ in batches for process in processes.tolist()}}),
          sum(int(rows.sum()) for _, rows in batches))
"""


def test_torch_data_loader(file, folder):
    if not importlib.machinery.PathFinder.find_spec("torch", [*sys.path, DISTRIBUTION]):
        required.missing("torch is missing: apt install python3-torch")
    url, data = file
    script = folder / "loader.py"  # which each worker loads again
    script.write_text(DATA_LOADER)
    done = subprocess.run([sys.executable, script, url], capture_output=True, text=True,
                          timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, f"2 {sum(data)}\n"), done.stderr
