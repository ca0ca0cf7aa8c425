"""Signals, the GIL, forks, privileges, and what the kernel does with unfetched pages."""

import errno
import os
import signal
import socket
import threading
import time

import numpy
import pytest
import required
from conftest import DROP_PRIVILEGES, in_child, interrupted, run_python

import r3map

FAR = 6 << 20  # an offset that a stalled server does not give


@pytest.fixture
def stalled(web):
    """A region of a server that stopped answering, and the server."""
    with r3map.open(web.url, pull="none", deadline=0, chunk_size=65536) as region:
        web.stall_from = 4 << 20
        yield region, web


@pytest.mark.parametrize("call", ["populate", "read", "readinto", "pin", "wait", "index"])
def test_ctrl_c(stalled, call):
    region, web = stalled
    buffer = bytearray(4096)
    if call == "wait":
        region.prefetch([(FAR, 4096)])
    calls = {"populate": lambda: region.populate(FAR), "read": lambda: region.read(FAR),
             "readinto": lambda: region.readinto(buffer, FAR), "wait": region.wait,
             "pin": lambda: region.pin(FAR, 4096), "index": lambda: region[FAR]}
    with interrupted():
        calls[call]()
    assert region[:5] == web.data[:5]  # the region goes on
    web.go_on.set()
    region.populate(FAR, 4096)
    assert not any(buffer)  # what was abandoned has not written later
    assert region.read(FAR, 100) == web.data[FAR:][:100]
    if call == "pin":  # neither did it leave a pin
        deadline = time.monotonic() + 5
        while region.stats().pinned and time.monotonic() < deadline:
            region.evict()
        assert region.stats().pinned == 0


@pytest.mark.parametrize("call", [r3map.open, r3map.info], ids=["open", "info"])
def test_ctrl_c_in_open(call):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with interrupted():
            call(url, deadline=0)


def test_handlers_that_return(stalled):
    region, web = stalled
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1) or web.go_on.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        region.populate(FAR, 4096)  # goes on after the handler
    finally:
        signal.signal(signal.SIGALRM, before)
    assert seen == [1]


def test_other_threads_run_during_a_call(stalled):
    region, web = stalled
    threading.Timer(0.3, web.go_on.set).start()  # needs the GIL
    region.populate(FAR, 4096)
    assert region[FAR] == web.data[FAR]


def test_other_threads_run_during_a_fault(stalled):
    region, web = stalled
    piece = region.array(numpy.uint8, 65536, FAR)
    copy = numpy.zeros_like(piece)
    # NumPy lets go of the GIL while it copies; it does not in everything.
    thread = threading.Thread(target=numpy.copyto, args=(copy, piece))
    thread.start()
    assert web.stalled.wait(10)
    time.sleep(0.1)
    assert thread.is_alive()
    web.go_on.set()
    thread.join()
    assert copy.tobytes() == web.data[FAR:FAR + 65536]


def test_close_ends_calls_in_other_threads(stalled):
    region, web = stalled
    caught = []

    def work():
        try:
            region.populate(FAR, 4096)
        except r3map.Error as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert web.stalled.wait(10)
    region.close()
    thread.join(10)
    assert len(caught) == 1 and isinstance(caught[0], (r3map.CanceledError, r3map.InvalidError))


def test_fork(make_file):
    url, data = make_file(1 << 20)
    region = r3map.open(url)
    dropped = r3map.open(url)
    held = r3map.open(url)
    view = memoryview(held)
    assert region[0] == data[0]

    def child():
        for call in (region.read, region.populate, region.wait, region.stats, region.evict,
                     region.pin, lambda: region[0], lambda: memoryview(region),
                     lambda: region.array("u1"), lambda: len(region), lambda: region.error,
                     lambda: region.prefetch([(0, 1)]), lambda: region.version):
            with pytest.raises(r3map.ForkedError, match="fork"):
                call()
        nonlocal dropped, held
        del dropped
        held.close()
        view.release()
        del held
        region.close()  # without effect on the parent's
        with r3map.open(url) as own:
            assert own.read() == data
            assert own.array("u1").sum(dtype=numpy.uint64) == sum(data)
        assert r3map.info(url).size == len(data)

    for _ in range(3):
        assert in_child(child) == 0
    assert region.read() == data and dropped.read() == data and view[-1] == data[-1]


def test_fork_during_a_call(stalled, make_file):
    region, web = stalled
    url, data = make_file(1 << 20)
    thread = threading.Thread(target=lambda: region.populate(FAR, 4096))
    thread.start()
    assert web.stalled.wait(10)

    def child():
        with pytest.raises(r3map.ForkedError):
            region.populate(FAR, 4096)
        with r3map.open(url) as own:
            assert own.read() == data

    assert in_child(child) == 0
    web.go_on.set()
    thread.join()
    assert region[FAR] == web.data[FAR]


def test_grandchildren(make_file):
    url, data = make_file(1 << 16)

    def child():
        with r3map.open(url) as own:
            assert own.read() == data

            def grandchild():
                with pytest.raises(r3map.ForkedError):
                    own.read()
                with r3map.open(url) as other:
                    assert other.read() == data

            assert in_child(grandchild) == 0

    with r3map.open(url) as region:
        assert region.read() == data
        assert in_child(child) == 0


def test_regions_left_open_at_the_end(make_file):
    url, data = make_file(1 << 20)
    result = run_python("""
        import sys, r3map, numpy
        region = r3map.open(sys.argv[1])
        values = region.array(numpy.uint8)
        other = r3map.open(sys.argv[1], pull="all")
        cycle = [r3map.open(sys.argv[1])]
        cycle.append(cycle)
        print(values.sum(dtype=numpy.uint64))
        """, url)
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, str(sum(data)), "")


def test_import_brings_little_along():
    result = run_python("""
        import sys, r3map
        r3map.open("memory:5").read()
        print([name for name in ("asyncio", "ssl", "numpy", "fsspec") if name in sys.modules])
        """)
    assert (result.returncode, result.stdout) == (0, "[]\n"), result.stderr


IMPORTS = """
    import ctypes, errno, os, socket, struct, sys, warnings
    import numpy, r3map
    """
SYSTEM_CALLS = """
    url, populate, file = sys.argv[1], sys.argv[2] == "populate", sys.argv[3]
    with open(url[len("file://"):], "rb") as source:
        data = source.read()

    def check(name, send):
        with r3map.open(url, pull="none") as region:
            values = region.array(numpy.uint8)
            if populate:
                region.populate()
            try:
                got = send(values)
            except OSError as error:
                # A short count is what NumPy makes of EFAULT, as docs/python.md says.
                assert error.errno == errno.EFAULT or "requested and 0 written" in str(error)
                print(name, "EFAULT")
            else:
                assert got == data[:len(got)] and got, name
                print(name, "whole" if got == data else "part")

    def tofile(values):
        with open(file, "wb") as target:
            values.tofile(target)
        with open(file, "rb") as target:
            return target.read()

    def write(values):
        with open(file, "wb", buffering=0) as target:
            left = memoryview(values)
            while left:
                left = left[target.write(left):]
        with open(file, "rb") as target:
            return target.read()

    def send(values):
        ours, theirs = socket.socketpair()
        sent = ours.send(memoryview(values)[:10000])
        return theirs.recv(sent, socket.MSG_WAITALL)

    check("tofile", tofile)
    check("write", write)
    check("send", send)
    """


def kernel_serves(make_file, folder, populate, before=""):
    url, _ = make_file(1 << 20)
    folder.chmod(0o777)
    result = run_python(IMPORTS + before + SYSTEM_CALLS, url, populate, folder / "copy")
    assert result.returncode == 0, result.stderr
    return result.stdout.split("\n")[:-1]


@pytest.mark.parametrize("populate", ["populate", "untouched"])
def test_system_calls_with_privileges(make_file, folder, populate):
    required.root("the kernel's own faults are not served")
    assert kernel_serves(make_file, folder, populate) == [
        "tofile whole", "write whole", "send part"]


@pytest.mark.parametrize("populate", ["populate", "untouched"])
def test_system_calls_without_privileges(make_file, folder, populate):
    told = kernel_serves(make_file, folder, populate, DROP_PRIVILEGES)
    if populate == "populate":
        assert told == ["tofile whole", "write whole", "send part"]
    else:  # never wrong bytes
        assert told == ["tofile EFAULT", "write EFAULT", "send EFAULT"]


@pytest.mark.parametrize("log", [None, "error"])
def test_a_page_that_can_not_be_had_kills_by_sigbus(make_file, log):
    url, _ = make_file(4 << 20)
    result = run_python("""
        import os, sys
        import numpy, r3map
        region = r3map.open(sys.argv[1], pull="none")
        values = region.array(numpy.uint8)
        print(values[0], flush=True)
        os.utime(sys.argv[1][len("file://"):], ns=(0, 0))
        print(values[-1], flush=True)
        """, url, env=os.environ | ({"R3MAP_LOG": log} if log else {}))
    assert result.returncode == -signal.SIGBUS, result.stderr
    assert len(result.stdout.split()) == 1
    if log:  # says why, and nothing else does
        assert 'msg="failed fault"' in result.stderr and "code=ESTALE" in result.stderr
    else:
        assert result.stderr == ""


def test_the_cause_of_a_failed_page(make_file):
    required.root("the kernel's own faults are not served")
    url, _ = make_file(4 << 20)
    with r3map.open(url, pull="none") as region, memoryview(region) as view:
        os.utime(url[len("file://"):], ns=(0, 0))
        ours, theirs = socket.socketpair()
        with ours, theirs, pytest.raises(OSError) as caught:  # where a touch would be SIGBUS
            ours.send(view[-4096:])
        assert caught.value.errno == errno.EFAULT
        assert isinstance(region.error, r3map.StaleError) and region.error.url == url
        assert region.stats().failed_faults == 1


# Makes userfaultfd(2) fail with EPERM, as containers do.
FORBID = """
    USERFAULTFD = {"x86_64": 323, "aarch64": 282}[os.uname().machine]
    filter = b"".join(struct.pack("HBBI", *line) for line in (
        (0x20, 0, 0, 0),                    # load the call's number
        (0x15, 0, 1, USERFAULTFD),          # is it this one?
        (0x06, 0, 0, 0x00050001),           # then EPERM
        (0x06, 0, 0, 0x7fff0000)))          # else go on
    code = ctypes.create_string_buffer(filter, len(filter))
    program = struct.pack("HxxxxxxP", 4, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
    assert libc.prctl(22, 2, program, 0, 0) == 0
    """


def test_eager_where_userfaultfd_is_forbidden(make_file):
    url, data = make_file(1 << 20)
    result = run_python(IMPORTS + DROP_PRIVILEGES + FORBID + """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        region = r3map.open(sys.argv[1])
    print(region.stats().eager, len(caught), caught[0].category.__name__, caught[0].message)
    print(region.array("u1").sum(dtype=numpy.uint64), region.stats().resident)
    """, url)
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    assert first.startswith("True 1 RuntimeWarning") and "docs/containers.md" in first
    assert second == f"{sum(data)} {len(data)}"
