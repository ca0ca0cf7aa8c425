"""The Python binding on real servers: the right bytes, the right exception, and never a hang."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import required
import servers

numpy = required.module("numpy")
r3map = required.module("r3map")

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MiB = 1 << 20
SIZE = 16 * MiB + 4321
DATA = servers.content(0, SIZE)
BYTES = numpy.frombuffer(DATA, numpy.uint8)
SUM = int(BYTES.sum(dtype=numpy.uint64))


def total(values):
    return int(values.sum(dtype=numpy.uint64))


def run_python(code, *arguments, env=None):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
                          capture_output=True, text=True, timeout=90, check=False,
                          env=os.environ | (env or {}))


@pytest.fixture
def s3(minio, bucket):
    """(URL, storage_options) of DATA on MinIO."""
    minio.put_object(bucket, "folder/object", DATA)
    return f"s3://{bucket}/folder/object", minio.storage_options


# ---------------------------------------------------------------- what works

def test_the_bytes_are_the_objects(s3):
    url, options = s3
    with r3map.open(url, storage_options=options) as region:
        assert region.size == SIZE and region.version
        assert region.stats().fetched < SIZE // 2
        values = region.array(numpy.uint8)
        assert values[0] == DATA[0] and values[SIZE // 2] == DATA[SIZE // 2]
        assert values[-1] == DATA[-1]
        assert total(values) == SUM and (values == BYTES).all()
        assert region.read() == DATA
    assert r3map.info(url, storage_options=options) == (SIZE, region_version(url, options))


def region_version(url, options):
    with r3map.open(url, storage_options=options) as region:
        return region.version


def test_nothing_but_what_is_touched(s3):
    url, options = s3
    with r3map.open(url, storage_options=options, pull="none", chunk_size="64K") as region:
        assert region[9 * MiB] == DATA[9 * MiB]
        assert region.stats().fetched <= MiB + 65536


def test_random_pieces_in_small_memory(s3):
    url, options = s3
    random = numpy.random.default_rng(11)
    with r3map.open(url, storage_options=options, budget="2M", chunk_size="16K") as region:
        values = region.array(numpy.uint8)
        for _ in range(100):
            start = int(random.integers(SIZE))
            piece = slice(start, start + int(random.integers(200_000)))
            assert (values[piece] == BYTES[piece]).all()
        assert total(values) == SUM
        assert region.stats().resident <= 2 * MiB


def test_environment(minio, s3, monkeypatch):
    for name, value in minio.env.items():
        monkeypatch.setenv(name, value)
    assert r3map.open(s3[0])[:100] == DATA[:100]


def test_s3fs_names(minio, s3):
    options = {"key": minio.access_key, "secret": minio.secret_key, "token": None, "anon": False,
               "client_kwargs": {"endpoint_url": minio.endpoint, "region_name": minio.region}}
    assert r3map.open(s3[0], storage_options=options)[:100] == DATA[:100]


def test_http(nginx):
    url = nginx.put("python object", DATA).replace(" ", "%20")
    with r3map.open(url) as region:
        assert total(region.array(numpy.uint8)) == SUM


def test_threads(s3):
    url, options = s3
    sums = []
    with r3map.open(url, storage_options=options, chunk_size="64K") as region:
        values = region.array(numpy.uint8)
        threads = [threading.Thread(target=lambda: sums.append(total(values))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sums == [SUM] * 6


def test_prefetch_through_latency(minio, s3, toxiproxy):
    """64 rows through 100 ms take far less than 64 round trips."""
    url, options = s3
    proxy = toxiproxy.proxy(minio.address, latency_ms=100)
    options = options | {"endpoint_url": proxy.url}
    rows = numpy.array([(n * (SIZE // 64), 1000) for n in range(64)])
    with r3map.open(url, storage_options=options, pull="none", chunk_size="16K") as region:
        start = time.monotonic()
        region.prefetch(rows)
        region.wait()
        # 64 round trips one after the other would take 6.4 s and more.
        assert time.monotonic() - start < 6.4
        faults = region.stats().faults
        values = region.array(numpy.uint8)
        assert all(values[o:o + n].tobytes() == DATA[o:o + n] for o, n in rows)
        assert region.stats().faults == faults
    with r3map.open(url, storage_options=options) as region:
        assert total(region.array(numpy.uint8)) == SUM
    proxy.delete()


def test_pull_all(s3):
    url, options = s3
    with r3map.open(url, storage_options=options, pull="all", priority=[(8 * MiB, MiB)]) as region:
        region.wait()
        assert region.stats().resident >= SIZE


def test_example(minio, bucket):
    values = numpy.arange(3 * MiB, dtype=numpy.float32)
    minio.put_object(bucket, "values", values)
    script = ROOT / "examples/python/s3_numpy.py"

    def run(expected):
        return subprocess.run(
            [sys.executable, script, f"s3://{bucket}/values", "--expect-sum", str(expected)],
            env=os.environ | minio.env, capture_output=True, text=True, timeout=60, check=False)

    good = run(values.sum(dtype=numpy.float64))
    assert good.returncode == 0, good.stderr
    assert "as expected" in good.stdout
    assert run(1).returncode == 1


# ---------------------------------------------------------------- what fails

def test_missing_things(minio, bucket, nginx):
    for url, options in ((f"s3://{bucket}/none", minio.storage_options),
                         (f"s3://{bucket}-none/x", minio.storage_options),
                         (f"{nginx.url}/none", {})):
        for call in (r3map.open, r3map.info):
            with pytest.raises(FileNotFoundError) as caught:
                call(url, storage_options=options)
            assert isinstance(caught.value, r3map.NotFoundError)
            assert caught.value.filename == url and url in str(caught.value)


@pytest.mark.parametrize("wrong", [{"secret": "not-this-one"}, {"key": "nobody"}, {"anon": True}])
def test_wrong_credentials(s3, wrong):
    url, options = s3
    if "anon" in wrong:
        options = {"endpoint_url": options["endpoint_url"], "region": options["region"]}
    with pytest.raises(PermissionError) as caught:
        r3map.open(url, storage_options=options | wrong)
    assert isinstance(caught.value, r3map.AccessError)
    assert "not-this-one" not in str(caught.value)  # no secret in a message


def test_the_object_changes_under_the_mapping(minio, bucket, s3):
    url, options = s3
    with r3map.open(url, storage_options=options, pull="none") as region:
        region.populate(0, MiB)
        minio.put_object(bucket, "folder/object", servers.content(0, SIZE, version=2))
        for call in (lambda: region.populate(8 * MiB, 4096), lambda: region[12 * MiB]):
            with pytest.raises(r3map.StaleError):
                call()
        assert region.array("u1", MiB).tobytes() == DATA[:MiB]  # what is here stays
    with r3map.open(url, storage_options=options) as region:
        assert region[5] == (DATA[5] + 1) % 256


def test_the_object_is_deleted(minio, bucket, s3):
    url, options = s3
    with r3map.open(url, storage_options=options, pull="none") as region:
        minio.delete_object(bucket, "folder/object")
        with pytest.raises((r3map.NotFoundError, r3map.StaleError)):
            region.populate(8 * MiB, 4096)


def test_a_touch_of_what_changed_is_sigbus(minio, bucket, s3):
    url, _ = s3
    result = run_python("""
        import sys
        import numpy, r3map
        sys.path.insert(0, sys.argv[2])
        import servers
        values = r3map.open(sys.argv[1], pull="none").array(numpy.uint8)
        print(values[0], flush=True)
        bucket, _, key = sys.argv[1][len("s3://"):].partition("/")
        servers.put_object(sys.argv[3], bucket, key, bytes(len(values)))
        print(values[12 << 20], flush=True)
        """, url, servers.HERE, minio.endpoint, env=minio.env)
    assert result.returncode == -signal.SIGBUS, result.stderr
    assert result.stdout.split() == [str(DATA[0])]


def test_server_down_before_the_open():
    port, = servers.free_ports(1)
    options = {"endpoint_url": f"http://127.0.0.1:{port}", "key": "a", "secret": "b"}
    with pytest.raises((r3map.NetworkError, r3map.DeadlineError)):
        r3map.open("s3://bucket/key", storage_options=options, deadline=3)


@pytest.fixture
def mortal():
    """A fault server that may be killed."""
    server = servers.FaultServer().start()
    yield server
    server.stop()


def test_server_killed_after_the_open(mortal):
    with r3map.open(mortal.url("ok", size=SIZE), deadline=2, pull="none") as region:
        region.populate(0, MiB)
        mortal.process.kill()
        mortal.process.wait()
        with pytest.raises(r3map.DeadlineError):
            region.populate(8 * MiB, MiB)
        assert region.read(0, MiB) == DATA[:MiB]
        with pytest.raises(r3map.DeadlineError):
            region[12 * MiB]


def test_server_killed_during_a_call(mortal):
    url = mortal.url("stall-in-body", size=SIZE, at=8 * MiB)
    with r3map.open(url, deadline=3, pull="none") as region:
        timer = threading.Timer(0.5, mortal.process.kill)
        timer.start()
        with pytest.raises(r3map.DeadlineError):
            region.populate(8 * MiB, MiB)
        timer.join()


def test_server_that_comes_back(toxiproxy, nginx):
    proxy = toxiproxy.proxy(nginx.address)
    nginx.put("back", DATA)
    with r3map.open(f"{proxy.url}/back", deadline=30, pull="none") as region:
        region.populate(0, 4096)
        proxy.down()
        timer = threading.Timer(1, proxy.up)
        timer.start()
        assert total(region.array(numpy.uint8)) == SUM
        timer.join()
    proxy.delete()


@pytest.mark.parametrize("scenario", ["stall-in-body", "stall-before-headers"])
def test_stalled_server(fault_server, scenario):
    # Not one byte: what came before the stall would be progress, and the rest be asked for again.
    url = fault_server.url(scenario, size=SIZE, at=8 * MiB, n=0)
    with r3map.open(url, deadline=2, pull="none", chunk_size="64K") as region:
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            region.populate(8 * MiB, 65536)
        assert time.monotonic() - start > 1.5
        assert region.read(0, 65536) == DATA[:65536]  # the others go on


def test_a_touch_of_what_stalls_is_sigbus(fault_server):
    url = fault_server.url("stall-before-headers", size=SIZE, at=8 * MiB)
    result = run_python("""
        import sys
        import numpy, r3map
        values = r3map.open(sys.argv[1], deadline=2, pull="none", chunk_size="64K").array("u1")
        print(values[0], flush=True)
        print(values[8 << 20], flush=True)
        """, url)
    assert result.returncode == -signal.SIGBUS, result.stderr
    assert result.stdout.split() == [str(DATA[0])]


def test_ctrl_c_while_the_server_stalls(fault_server):
    url = fault_server.url("stall-in-body", size=SIZE, at=8 * MiB)
    with r3map.open(url, deadline=0, pull="none", chunk_size="64K") as region:
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            region.populate(8 * MiB, 4096)
        assert region.read(0, 100) == DATA[:100]


def test_faults_that_pass(fault_server):
    """What goes wrong now and then is tried again, and the bytes are right."""
    for scenario in ("truncate-sometimes", "503", "reset-in-body"):
        url = fault_server.url(scenario, size=4 * MiB, **(
            {} if scenario == "truncate-sometimes" else {"every": 3}))
        with r3map.open(url) as region:
            assert region.array("u1").tobytes() == DATA[:4 * MiB], scenario
