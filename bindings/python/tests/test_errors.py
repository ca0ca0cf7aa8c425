"""The exceptions: their classes, what they carry, and when they come."""

import errno
import pickle
import socket
import time

import pytest

import r3map

BASES = {
    r3map.InvalidError: ValueError, r3map.RangeError: IndexError,
    r3map.NotFoundError: FileNotFoundError, r3map.AccessError: PermissionError,
    r3map.StoreError: OSError, r3map.DeadlineError: TimeoutError, r3map.StaleError: OSError,
    r3map.NetworkError: ConnectionError, r3map.ProtocolError: OSError,
    r3map.ReadOnlyError: OSError, r3map.MemoryLimitError: MemoryError,
    r3map.UnsupportedError: Exception, r3map.CanceledError: Exception,
    r3map.BusyError: Exception, r3map.ForkedError: Exception, r3map.InternalError: Exception,
}


@pytest.mark.parametrize("kind", BASES, ids=lambda kind: kind.__name__)
def test_classes(kind):
    assert issubclass(kind, r3map.Error) and issubclass(kind, BASES[kind])
    error = kind("open x: no", None, "s3://b/x")
    assert str(error) == "open x: no" and error.url == "s3://b/x" and error.code < 0
    if isinstance(error, OSError):
        assert error.errno > 0 and error.strerror == "open x: no" and error.filename == "s3://b/x"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and vars(again) == vars(error) and str(again) == str(error)
    assert str(kind()) == ""


def test_every_class_is_listed():
    assert set(BASES) == set(r3map.Error.__subclasses__())
    assert len({kind.default_code for kind in BASES}) == len(BASES)


def test_not_found(folder):
    url = f"file://{folder}/none"
    for call in (r3map.open, r3map.info):
        with pytest.raises(r3map.NotFoundError) as caught:
            call(url)
        assert caught.value.errno == errno.ENOENT and caught.value.filename == url
        assert url in str(caught.value) and "\n" not in str(caught.value)


def test_urls_that_can_not_be():
    for url in ("", "nothing://x", "memory:many", "no-scheme", "s3://", "a\0b"):
        with pytest.raises(r3map.InvalidError):
            r3map.open(url)


def test_not_a_file(folder):
    with pytest.raises(r3map.Error):
        r3map.open(folder)


def test_a_file_that_changed(make_file, folder):
    url, data = make_file(4 << 20)
    with r3map.open(url, pull="none") as region:
        before = region[:10]
        path = url[len("file://"):]
        with open(path, "r+b") as file:
            file.write(b"x")
        for call in (lambda: region.populate(1 << 20, 10), lambda: region[1 << 20],
                     lambda: region.read(), lambda: region.readinto(bytearray(100), 2 << 20),
                     lambda: region.pin(2 << 20, 1)):
            with pytest.raises(r3map.StaleError) as caught:
                call()
            assert caught.value.errno == errno.ESTALE and caught.value.filename == url
        assert before == data[:10]


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
    with pytest.raises(ConnectionError) as caught:
        r3map.open(url, deadline=3)
    assert isinstance(caught.value, r3map.NetworkError)


def test_deadline(web):
    with r3map.open(web.url, pull="none", deadline=0.5, chunk_size=65536) as region:
        web.stall_from = 4 << 20
        start = time.monotonic()
        with pytest.raises(TimeoutError) as caught:
            region.populate(6 << 20, 4096)
        assert isinstance(caught.value, r3map.DeadlineError)
        assert time.monotonic() - start > 0.4
        web.go_on.set()
        region.populate(6 << 20, 4096)
        assert region[6 << 20] == web.data[6 << 20]


def test_a_failed_prefetch_is_told_by_wait(web):
    with r3map.open(web.url, pull="none", deadline=0.5, chunk_size=65536) as region:
        web.stall_from = 4 << 20
        region.prefetch([(6 << 20, 4096)])
        with pytest.raises(r3map.DeadlineError):
            region.wait()
        region.wait()  # told once


def test_a_password_is_not_shown():
    error = r3map.NotFoundError("no", url="http://user:secret@host/x?signature=secret")
    assert error.url == error.filename == "http://user:***@host/x?***"
    assert "secret" not in repr(error)
    with pytest.raises(r3map.Error) as refused:
        r3map.open("http://user:secret@127.0.0.1:1/x", deadline=1)
    assert "secret" not in str(refused.value) + repr(refused.value)
    assert refused.value.url == "http://user:***@127.0.0.1:1/x"
