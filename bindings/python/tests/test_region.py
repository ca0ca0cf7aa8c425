"""What a region can do, on files and memory."""

import array
import gc
import json
import math
import mmap
import pathlib
import threading
import weakref

import numpy
import pytest

import r3map

PAGE = 4096


@pytest.fixture
def file(make_file):
    return make_file(3 * (1 << 20) + 123)


def test_version_of_the_module():
    assert r3map.__version__.count(".") == 2


def test_bytes_are_the_files(file):
    url, data = file
    with r3map.open(url) as region:
        assert len(region) == region.size == region.nbytes == len(data)
        assert bytes(region) == region.read() == region[:] == data
        assert bytes(memoryview(region)) == data
        assert region.url == url and region.version
        assert region.error is None and not region.closed
        assert url in repr(region)


def test_paths(file):
    url, data = file
    path = url[len("file://"):]
    for given in (path, pathlib.Path(path)):
        with r3map.open(given) as region:
            assert region[:10] == data[:10] and region.url == path


def test_slices_and_indices(file):
    url, data = file
    with r3map.open(url) as region:
        for key in (slice(0), slice(5, 5), slice(9, 2), slice(100, PAGE + 1), slice(-7, None),
                    slice(None, -len(data) - 9), slice(len(data) - 2, len(data) + 99)):
            assert region[key] == data[key]
        for key in (0, 4095, 4096, len(data) - 1, -1, -len(data), numpy.int64(7)):
            assert region[key] == data[key]
        for key in (len(data), -len(data) - 1, 1 << 70):
            with pytest.raises(IndexError):
                region[key]
        with pytest.raises(ValueError, match="memoryview"):
            region[::2]
        with pytest.raises(TypeError):
            region["a"]
        with pytest.raises(TypeError):
            iter(region)


def test_read(file):
    url, data = file
    with r3map.open(url) as region:
        assert region.read(10, 20) == data[10:30]
        assert region.read(len(data)) == b"" == region.read(5, 0)
        assert region.read(len(data) - 5) == data[-5:]
        for offset, length in ((len(data) + 1, None), (0, len(data) + 1), (len(data), 1),
                               (1, 1 << 64)):
            with pytest.raises(r3map.RangeError):
                region.read(offset, length)
        for offset, length in ((-1, None), (0, -1)):
            with pytest.raises(r3map.InvalidError):
                region.read(offset, length)


def test_readinto(file):
    url, data = file
    with r3map.open(url) as region:
        buffer = bytearray(100)
        assert region.readinto(buffer, 50) == 100 and buffer == data[50:150]
        assert region.readinto(buffer, len(data) - 3) == 3 and buffer[:3] == data[-3:]
        assert region.readinto(buffer, len(data)) == 0
        values = numpy.zeros((5, 7), numpy.int32)
        assert region.readinto(values) == 140 and values.tobytes() == data[:140]
        whole = numpy.zeros(len(data) + 10, numpy.uint8)
        assert region.readinto(whole) == len(data)
        assert whole[:-10].tobytes() == data and not whole[-10:].any()
        assert region.readinto(array.array("d", [0, 0])) == 16
        anonymous = mmap.mmap(-1, PAGE)
        assert region.readinto(anonymous) == PAGE and anonymous[:] == data[:PAGE]
        for wrong in (b"abc", values[:, ::2], memoryview(region), "text", None):
            with pytest.raises((BufferError, TypeError, ValueError)):
                region.readinto(wrong)
        with pytest.raises(r3map.RangeError):
            region.readinto(buffer, len(data) + 1)


def test_array(file):
    url, data = file
    with r3map.open(url) as region:
        everything = region.array(numpy.uint8)
        assert everything.shape == (len(data),) and not everything.flags.writeable
        assert not everything.flags.owndata
        assert everything.tobytes() == data
        floats = region.array(">f4", (-1, 4, 8), offset=123)
        assert floats.shape == (3 << 13, 4, 8) and floats.tobytes() == data[123:]
        some = region.array("<i2", (10, 3), offset=1)
        assert some.tobytes() == data[1:61] and some.base is not None
        fortran = region.array(numpy.uint8, (4, 5), order="F")
        assert (fortran == numpy.frombuffer(data, numpy.uint8, 20).reshape((4, 5), order="F")).all()
        assert fortran.flags.f_contiguous and fortran.base is not None
        assert region.array("u1", 7).shape == (7,)
        assert region.array("u1", ()).item() == data[0]
        assert region.array("u1", (0, 3)).shape == (0, 3)
        record = region.array([("a", "<u2"), ("b", "<u4")], 2, offset=6)
        assert record["b"][1] == int.from_bytes(data[14:18], "little")
        with pytest.raises(ValueError):
            everything[0] = 1
        address = everything.__array_interface__["data"][0]
        assert some.__array_interface__["data"][0] == address + 1


@pytest.mark.parametrize(
    ("dtype", "shape", "offset", "order"),
    [("f8", None, 0, "C"), ("u1", (-1, -1), 0, "C"), ("u1", (-2,), 0, "C"),
     ("u1", (1 << 30,), 0, "C"), ("u1", (1 << 40, 1 << 40), 0, "C"), ("u1", (0, -1), 0, "C"),
     ("u1", (-1, 1000), 0, "C"), ("u1", None, -1, "C"), ("u1", None, 1 << 30, "C"),
     ("f8", (1,), 3145846, "C"), ("u1", None, 0, "A"), ("V0", None, 0, "C"), ("O", (1,), 0, "C")])
def test_arrays_that_do_not_fit(file, dtype, shape, offset, order):
    with r3map.open(file[0]) as region:
        with pytest.raises((ValueError, IndexError)):
            region.array(dtype, shape, offset, order)
        region.close()  # and nothing holds the memory


def test_numpy_by_itself(file):
    url, data = file
    with r3map.open(url) as region:
        assert numpy.frombuffer(region, "u1", 10, 5).tobytes() == data[5:15]
        assert numpy.asarray(region).tobytes() == data
        with pytest.raises(ValueError):
            numpy.asarray(region)[0] = 1


def test_buffer_protocol(file):
    url, data = file
    with r3map.open(url) as region, memoryview(region) as view:
        assert (view.format, view.itemsize, view.ndim) == ("B", 1, 1)
        assert view.shape == (len(data),) and view.strides == (1,)
        assert view.readonly and view.c_contiguous and view.obj is region
        assert view[1000:2000] == data[1000:2000]
        assert b"".join([view[:10], region]) == data[:10] + data
        with pytest.raises(TypeError):
            view[0] = 1


@pytest.mark.parametrize("url", ["memory:0", "empty file"])
def test_size_zero(url, folder):
    if url == "empty file":
        url = f"file://{folder}/empty"
        (folder / "empty").touch()
    with r3map.open(url) as region:
        assert len(region) == 0 and bytes(region) == b"" == region[:] == bytes(memoryview(region))
        assert region.array(numpy.float64).shape == (0,)
        assert region.array(numpy.float64, (-1, 3)).shape == (0, 3)
        region.populate()
        region.prefetch([])
        region.evict()
        region.wait()
        with region.pin():
            pass
        assert region.readinto(bytearray(3)) == 0
        with pytest.raises(IndexError):
            region[0]
    assert r3map.info(url).size == 0


def test_populate_evict_and_stats(make_file):
    url, data = make_file(8 << 20)
    with r3map.open(url, pull="none") as region:
        stats = region.stats()
        assert isinstance(stats, r3map.Stats) and stats._fields[0] == "eager"
        assert stats.size == len(data) and not stats.eager
        assert stats.fetched <= 1 << 20 and stats.budget > 0
        region.populate(PAGE, 1 << 20)
        assert 1 << 20 <= region.stats().resident < len(data)
        region.populate()
        assert region.stats().resident == len(data) and region.stats().requests > 0
        region.evict()
        assert region.stats().resident == 0 and region.stats().evicted == len(data)
        assert region.array("u1").tobytes() == data  # fetched again
        assert region.stats().faults > 0 and region.stats().failed_faults == 0
        for call in (region.populate, region.evict, region.pin):
            with pytest.raises(r3map.RangeError):
                call(1, len(data))


def test_stats_as_text_and_picture(make_file):
    url, _ = make_file(8 << 20)
    with r3map.open(url, pull="none") as region:
        region.populate(0, 4 << 20)
        assert region.array("u1")[6 << 20] is not None
        told = json.loads(region.stats_text())
        assert told["size"] == 8 << 20 and told["url"] == url
        assert url in {one["url"] for one in json.loads(r3map.stats_text())}
        for text in (region.stats_text("prometheus"), r3map.stats_text("prometheus")):
            assert "# TYPE r3map_" in text and url in text
        picture = region.residency(8)
        assert (picture[:4] == 255).all() and not picture[7]
        assert region.residency(4, 0, 4 << 20).tolist() == [255] * 4
        stats = region.stats()
        assert stats.fault_count == 1 and stats.fault_us_max >= stats.fault_us_p50 > 0
        assert stats.hedged_requests == stats.retries == 0
        with pytest.raises(r3map.InvalidError, match="'json'"):
            region.stats_text("xml")
        assert region.residency(1 << 20).size == 1 << 20
        for cells in (-1, 0, (1 << 20) + 1, 1 << 40, 1 << 80):
            with pytest.raises(r3map.InvalidError, match=f"1 to 1,048,576 cells, not {cells}"):
                region.residency(cells)


def test_pin(make_file):
    url, data = make_file(4 << 20)
    with r3map.open(url, pull="none") as region:
        with region.pin(PAGE, 2 * PAGE) as pin:
            region.evict()
            stats = region.stats()
            assert stats.pinned == 2 * PAGE and stats.resident >= 2 * PAGE
            assert pin.release() is None and region.stats().pinned == 0
            pin.release()
        first, second = region.pin(0, PAGE), region.pin(0, PAGE)
        first.release()
        assert region.stats().pinned == PAGE
        second.release()
        assert region.stats().pinned == 0
        left = region.pin()
    left.release()  # after the close


def test_prefetch(make_file):
    url, data = make_file(16 << 20)
    rows = numpy.array([(n * (1 << 20), 5000) for n in range(16)])
    as_lists = ([tuple(row) for row in rows], iter(rows.tolist()), rows, rows.astype(numpy.uint32),
                numpy.asfortranarray(rows), rows[::-1])
    for ranges in as_lists:
        with r3map.open(url, pull="none") as region:
            region.prefetch(ranges)
            region.wait()
            assert 16 * 5000 <= region.stats().resident < len(data)
            faults = region.stats().faults
            view = region.array("u1")
            assert all(view[o:o + n].tobytes() == data[o:o + n] for o, n in rows)
            assert region.stats().faults == faults
    with r3map.open(url) as region:
        region.prefetch(numpy.empty((0, 2), int))
        for wrong in ([(-1, 5)], [(0, 1 << 64)], rows.astype(float), rows.reshape(-1),
                      -rows, rows[:, :1], [(1, 2, 3)]):
            with pytest.raises(ValueError):
                region.prefetch(wrong)
        with pytest.raises(TypeError):
            region.prefetch([("a", "b")])
        with pytest.raises(r3map.RangeError):
            region.prefetch([(0, 1), (len(data), 1)])


def test_pull_and_priority(make_file):
    url, data = make_file(8 << 20)
    with r3map.open(url, pull="all") as region:
        region.wait()
        assert region.stats().resident == len(data)
    with r3map.open(url, pull="none", priority=[(4 << 20, 1 << 20)]) as region:
        region.wait()
        assert 1 << 20 <= region.stats().resident < len(data)
        faults = region.stats().faults
        assert region.array("u1", 1 << 20, 4 << 20).tobytes() == data[4 << 20:5 << 20]
        assert region.stats().faults == faults


def test_budget_smaller_than_the_object(make_file):
    url, data = make_file(32 << 20)
    whole = numpy.frombuffer(data, numpy.uint8)
    with r3map.open(url, budget="4M", chunk_size="64K") as region:
        assert region.stats().budget == 4 << 20
        values = region.array(numpy.uint8)
        for _ in range(2):
            assert values.sum(dtype=numpy.uint64) == whole.sum(dtype=numpy.uint64)
        assert region.read() == data
        order = numpy.random.default_rng(7).permutation(len(data) // 65536)
        assert all((values[n << 16:][:65536] == whole[n << 16:][:65536]).all() for n in order)
        stats = region.stats()
        assert stats.resident <= 4 << 20 and stats.evicted >= 60 << 20
        with pytest.raises(r3map.MemoryLimitError):
            region.populate()
        with pytest.raises(MemoryError):
            region.pin(0, 5 << 20)
        assert region.read() == data


def test_arguments(file):
    url, data = file
    for options in ({"deadline": 0}, {"deadline": math.inf}, {"deadline": 1e-9}, {"deadline": 5},
                    {"chunk_size": "1M"}, {"chunk_size": 4096}, {"budget": numpy.int64(1 << 20)},
                    {"budget": "1GiB"}, {"budget": "2097152"}, {"chunk_size": "64k"},
                    {"budget": "512mb"}, {"budget": "512 MiB"}, {"budget": " 2097152 B"},
                    {"budget": 1.5e9}, {"budget": numpy.float64(1 << 20)}, {"chunk_size": 4096.0},
                    {"storage_options": {}}, {"storage_options": {"anything": None}}):
        with r3map.open(url, **options) as region:
            assert region[:5] == data[:5] or options == {"deadline": 1e-9}
    for options in ({"deadline": -1}, {"deadline": math.nan}, {"chunk_size": 5000},
                    {"chunk_size": "big"}, {"budget": -1}, {"budget": "1X"}, {"budget": 1 << 64},
                    {"budget": "K"}, {"budget": "1iB"}, {"budget": "1.5G"}, {"budget": "1 2"},
                    {"budget": "MB"}, {"budget": math.inf}, {"budget": math.nan},
                    {"pull": "some"}, {"mode": "w"}, {"mode": "r+"},
                    {"budget": 1000}, {"priority": [(-1, 1)]},
                    {"storage_options": {"no_such_option": 1}},
                    {"storage_options": {"key": "a\0b"}}, {"storage_options": {"key": [1]}}):
        with pytest.raises(ValueError) as caught:
            r3map.open(url, **options)
        assert isinstance(caught.value, r3map.InvalidError)
    with pytest.raises(ValueError, match="'r'"):
        r3map.open(url, "r+")
    with pytest.raises(TypeError):
        r3map.open(url, "r", {})
    with pytest.raises(TypeError):
        r3map.open(5)
    with pytest.raises(TypeError):
        r3map.Region()


@pytest.mark.parametrize(
    ("call", "message"),
    [(lambda url, region: r3map.open(5), "url: a str or a path, not int"),
     (lambda url, region: r3map.open(None), "url: a str or a path, not NoneType"),
     (lambda url, region: r3map.open(url, deadline="5"), "deadline: a number of seconds"),
     (lambda url, region: r3map.open(url, chunk_size=[1]), "chunk_size: a number of bytes"),
     (lambda url, region: r3map.open(url, budget=1048576.5), "1048576.5 is no whole number"),
     (lambda url, region: r3map.open(url, storage_options="key"), "storage_options: a dict"),
     (lambda url, region: r3map.open(url, fetch_limits=5), "fetch_limits: a pair"),
     (lambda url, region: r3map.open(url, trace=1), "trace: a path"),
     (lambda url, region: r3map.open(url, priority=[1]), r"priority: pairs .*, not 1"),
     (lambda url, region: r3map.open(url, priority=[(1, 2, 3)]), "priority: pairs"),
     (lambda url, region: r3map.open(url, priority=numpy.zeros(3)), "priority of shape"),
     (lambda url, region: r3map.open(url, "rb"), "mode 'rb': use 'r'"),
     (lambda url, region: region.prefetch([0, 5]), r"ranges: pairs \(offset, length\), not 0"),
     (lambda url, region: region.prefetch([(0, 5, 6)]), r"not \(0, 5, 6\)"),
     (lambda url, region: region.prefetch(5), "ranges: pairs .*, not int"),
     (lambda url, region: region.prefetch("ab"), "ranges: pairs .*, not str"),
     (lambda url, region: region.prefetch([("a", 1)]), "offset: an integer number of bytes"),
     (lambda url, region: region.read("0"), "offset: an integer number of bytes, not str"),
     (lambda url, region: region.populate(0, 1.5), "length: an integer number of bytes")])
def test_what_a_wrong_argument_is_told(file, call, message):
    with r3map.open(file[0]) as region, pytest.raises((TypeError, ValueError), match=message):
        call(file[0], region)


def test_fetch_limits(file):
    with r3map.open(file[0], fetch_limits=(1, "64K"), pull="all") as region:
        region.wait()
        assert region.stats().requests > 20
    with pytest.raises(r3map.InvalidError):
        r3map.open(file[0], fetch_limits=(1, 5))


def test_trace_and_pull_order(make_file, folder):
    url, data = make_file(16 << 20)
    trace = folder / "trace"
    rows = [(n * 7919 % 4096) * PAGE for n in range(64)]
    with r3map.open(url, trace=trace, pull="none", chunk_size=PAGE) as region:
        values = region.array("u1")
        assert all(values[row] == data[row] for row in rows)
        del values
    with r3map.open(url, pull_order=str(trace), pull="none", chunk_size=PAGE) as region:
        region.wait()
        faults = region.stats().faults
        values = region.array("u1")
        assert all(values[row] == data[row] for row in rows)
        assert region.stats().faults == faults
    with pytest.raises(FileNotFoundError):
        r3map.open(url, pull_order=folder / "none")


def test_small_reads_of_what_is_given_back(make_file):
    """They copy what is here without asking; whatever happens to it meanwhile, never wrongly."""
    url, data = make_file(4 << 20)
    stop = threading.Event()
    with r3map.open(url, pull="none", chunk_size="16K") as region:
        def evict():
            while not stop.is_set():
                region.evict()

        thread = threading.Thread(target=evict)
        thread.start()
        random = numpy.random.default_rng(3)
        buffer = bytearray(60000)
        for _ in range(3000):
            offset = int(random.integers(0, (4 << 20) - 65536))
            length = int(random.integers(0, 60000))
            assert region.read(offset, length) == data[offset:offset + length]
            with memoryview(buffer) as view:
                assert region.readinto(view[:length], offset) == length
            assert buffer[:length] == data[offset:offset + length]
        stop.set()
        thread.join()


def test_with_lets_go_and_arrays_stay(file):
    url, data = file
    with r3map.open(url, pull="none") as region:
        values = region.array(numpy.uint8)
        part = values[-1000:]
        del values
    assert region.closed and "closed" in repr(region)
    assert part.tobytes() == data[-1000:]  # fetched only now
    region.close()  # it is closed already
    alive = weakref.ref(region)
    del region
    gc.collect()
    assert alive() is not None
    assert part.sum() == sum(data[-1000:])
    del part
    gc.collect()
    assert alive() is None


def test_arrays_outlive_the_name(file):
    url, data = file
    values = r3map.open(url).array(numpy.uint8)
    gc.collect()
    assert values.tobytes() == data


def test_close(file):
    region = r3map.open(file[0])
    view = memoryview(region)
    values = region.array("u1")
    with pytest.raises(BufferError, match="2 buffers"):
        region.close()
    assert not region.closed and region[:4] == file[1][:4]
    view.release()
    del values
    region.close()
    region.close()
    assert region.closed
    region.__exit__(None, None, None)


def test_use_after_close(file):
    for leave in (False, True):
        region = r3map.open(file[0])
        held = memoryview(region) if leave else None
        region.__exit__(None, None, None) if leave else region.close()
        calls = [region.read, region.populate, region.evict, region.wait, region.stats, region.pin,
                 region.__enter__, lambda: region.readinto(bytearray(1)),
                 lambda: region.prefetch([(0, 1)]), lambda: region.array("u1"), lambda: region[0],
                 lambda: region[0:1], lambda: len(region), lambda: memoryview(region),
                 lambda: bytes(region), lambda: numpy.frombuffer(region, "u1"),
                 lambda: region.size, lambda: region.nbytes, lambda: region.version,
                 lambda: region.error]
        for call in calls:
            with pytest.raises(ValueError, match="closed"):
                call()
        assert region.url == file[0]
        del held


def test_a_hundred_regions(make_file):
    url, data = make_file(1 << 20)
    regions = [r3map.open(url) for _ in range(100)]
    arrays = [region.array(numpy.uint8) for region in regions]
    sums = {int(a.sum(dtype=numpy.uint64)) for a in arrays}
    assert sums == {sum(data)}
    del arrays
    for region in regions[::2]:
        region.close()
    del regions  # the others by themselves


def test_threads_read_at_once(make_file):
    url, data = make_file(16 << 20)
    whole = numpy.frombuffer(data, numpy.uint8)
    failures = []
    with r3map.open(url, chunk_size="16K", pull="none") as region:
        values = region.array(numpy.uint8)

        def work(seed):
            random = numpy.random.default_rng(seed)
            try:
                for _ in range(150):
                    start = int(random.integers(0, len(data)))
                    length = int(random.integers(1, 300_000))
                    piece = slice(start, start + length)
                    if random.integers(0, 2):
                        assert region[piece] == data[piece]
                    else:
                        assert (values[piece] == whole[piece]).all()
                    if random.integers(0, 10) == 0:
                        region.evict(min(start, len(data) - 1) // 2, length // 2)
            except BaseException as error:  # noqa: BLE001
                failures.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures


def test_memory():
    with r3map.open("memory:64M") as region:
        assert region.size == 64 << 20 and not region.array(numpy.uint64).any()


def test_s3fs_names_in_client_kwargs(file):
    # A file has no such option, and says so under the name that r3map has for it.
    for given, name in (({"endpoint_url": "http://x"}, "endpoint_url"),
                        ({"region_name": "x"}, "region")):
        with pytest.raises(r3map.InvalidError, match=name):
            r3map.open(file[0], storage_options={"client_kwargs": given})
    for given, name in ((False, "verify"), ("/ca.pem", "ca_bundle")):
        with pytest.raises(r3map.InvalidError, match=f"unknown option '{name}'"):
            r3map.open(file[0], storage_options={"client_kwargs": {"verify": given}})
    with pytest.raises(r3map.InvalidError, match="use_ssl"):
        r3map.open(file[0], storage_options={"client_kwargs": {"use_ssl": True}})
    with r3map.open(file[0], storage_options={"client_kwargs": {"verify": None}}):
        pass


@pytest.mark.parametrize(("given", "meant"), [
    ("region_name", "region"), ("aws_access_key_id", "key"), ("aws_secret_access_key", "secret"),
    ("aws_session_token", "token"), ("endpoint", "endpoint_url"), ("username", "key"),
    ("password", "secret"), ("access_key", "key"), ("access_key_id", "key"),
    ("secret_key", "secret"), ("secret_access_key", "secret"), ("session_token", "token")])
def test_a_near_name_of_an_option(given, meant):
    for call in (r3map.open, r3map.info, r3map.cat):
        with pytest.raises(r3map.InvalidError, match=f"'{given}': did you mean '{meant}'"):
            call("s3://bucket/key", storage_options={given: "x"})


@pytest.mark.parametrize(("given", "advice"), [
    ({"headers": {"X-Api-Key": "x"}}, "no storage option 'headers': .*'header.NAME'"),
    ({"client_kwargs": {"headers": {}}}, "client_kwargs: no 'headers': .*'header.NAME'"),
    ({"use_ssl": False}, "no storage option 'use_ssl': .*endpoint_url.*http://")])
def test_options_that_are_called_otherwise(given, advice):
    with pytest.raises(r3map.InvalidError, match=advice):
        r3map.open("s3://bucket/key", storage_options=given)


def test_sizes_as_they_are_meant(file):
    for given, meant in (("512mb", 512 << 20), ("512 MiB", 512 << 20), (1.5e9, 1_500_000_000)):
        with r3map.open(file[0], budget=given) as region:
            assert abs(region.stats().budget - meant) < 4096


def test_a_file_without_a_folder_is_no_url(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "a.f32").write_bytes(b"abc")
    for call in (r3map.open, r3map.info, r3map.cat):
        with pytest.raises(r3map.InvalidError, match=r"'a.f32' is no URL: .*'\./a.f32'"):
            call("a.f32")
        with pytest.raises(r3map.InvalidError, match="malformed URL"):
            call("none.f32")
    assert r3map.cat("./a.f32") == b"abc"
