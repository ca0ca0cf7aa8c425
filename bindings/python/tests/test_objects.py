"""info, cat and copy: objects without memory."""

import errno
import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from conftest import interrupted, run_python

import r3map

SIZE = (40 << 20) + 77  # more than one round of a copy's buffers


@pytest.fixture
def file(make_file):
    return make_file(SIZE)


def test_info(file):
    url, data = file
    assert r3map.info(url).size == len(data)
    with r3map.open(url) as region:
        assert r3map.info(url, deadline=5) == (region.size, region.version)
    with pytest.raises(FileNotFoundError):
        r3map.info(url + "x")


def test_cat(make_file):
    url, data = make_file(100_000)
    for start, end in ((None, None), (0, 10), (5, None), (None, 7), (-10, None), (-10, -5),
                       (0, 10**9), (10**9, None), (9, 3), (99_999, 100_000), (3, 3)):
        assert r3map.cat(url, start, end) == data[start:end]
    assert r3map.cat("memory:3") == bytes(3)
    for wrong in ("1", 1.5):
        with pytest.raises(TypeError, match="start: an integer"):
            r3map.cat(url, wrong)


def test_copy(file, folder):
    url, data = file
    target = folder / "copy"
    result = r3map.copy(url, target)
    assert target.read_bytes() == data and result == r3map.info(url)
    assert os.listdir(folder) == sorted(os.listdir(folder)) and len(os.listdir(folder)) == 2
    umask = os.umask(0o027)
    try:
        r3map.copy("memory:5", folder / "new")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((folder / "new").stat().st_mode) == 0o640
    assert (folder / "new").read_bytes() == bytes(5)
    r3map.copy("memory:0", str(target))
    assert target.read_bytes() == b""


def test_copy_over_what_is_there(folder):
    target, link = folder / "target", folder / "link"
    target.write_text("before")
    target.chmod(0o600)
    link.symlink_to(target)
    r3map.copy("memory:5", link)
    assert link.is_symlink() and target.read_bytes() == bytes(5)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    r3map.copy("memory:5M", "/dev/null")
    assert sorted(os.listdir(folder)) == ["link", "target"]


def test_copy_into_a_folder(make_file, folder, web):
    url, data = make_file(1000)
    into = folder / "into"
    into.mkdir()
    for given in (into, str(into), f"{into}/"):
        r3map.copy(url, given)
        assert [path.name for path in into.iterdir()] == [url.rpartition("/")[2]]
        (into / url.rpartition("/")[2]).unlink()
    r3map.copy(web.url + "?signature=a/b#c", into)
    assert os.listdir(into) == ["object"]
    r3map.copy(Path(url[len("file://"):]), into)
    assert (into / url.rpartition("/")[2]).read_bytes() == data
    for nameless in (web.url.rpartition("/")[0], web.url.rpartition("/")[0] + "/?secret"):
        with pytest.raises(r3map.InvalidError, match="does not end in a name") as caught:
            r3map.copy(nameless, into)
        assert "secret" not in str(caught.value)
    (into / "object").unlink()
    (into / "object").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        r3map.copy(web.url, into)
    assert caught.value.filename == str(into / "object")


def test_what_the_file_system_refuses_names_the_path(make_file, folder):
    url, _ = make_file(1000)
    (folder / "file").write_text("")
    (folder / "taken").mkdir()
    before = sorted(os.listdir(folder))
    for path, error in ((folder / "none/x", FileNotFoundError),
                        (f"{folder}/file/x", NotADirectoryError),
                        (folder / ("x" * 300), OSError)):
        with pytest.raises(error) as caught:
            r3map.copy(url, path)
        assert caught.value.filename == str(path) and not isinstance(caught.value, r3map.Error)
    with pytest.raises(OSError) as caught:  # a disk that fills up meanwhile
        r3map.copy(url, "/dev/full")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "/dev/full")
    assert sorted(os.listdir(folder)) == before


def test_a_disk_that_is_full(make_file, folder):
    url, _ = make_file(SIZE)
    result = run_python("""
        import resource, sys, r3map
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            r3map.copy(*sys.argv[1:])
        except OSError as error:
            print(error.filename)
        """, url, folder / "new")
    assert (result.returncode, result.stdout) == (0, f"{folder / 'new'}\n"), result.stderr
    assert not (folder / "new").exists() and len(os.listdir(folder)) == 1


def test_copy_into_a_pipe(file):
    url, data = file
    got = []
    reader, writer = os.pipe()
    with open(reader, "rb") as source:
        thread = threading.Thread(target=lambda: got.append(source.read()))
        thread.start()
        r3map.copy(url, f"/proc/self/fd/{writer}")
        os.close(writer)
        thread.join()
    assert got == [data]


def test_a_copy_that_fails_leaves_nothing(web, folder):
    (folder / "kept").write_text("before")
    web.stall_from = 4 << 20
    with pytest.raises(r3map.DeadlineError):
        r3map.copy(web.url, folder / "kept", deadline=0.5)
    with interrupted():
        r3map.copy(web.url, folder / "kept", deadline=0)
    with interrupted():
        r3map.cat(web.url, deadline=0)
    assert os.listdir(folder) == ["kept"] and (folder / "kept").read_text() == "before"
    with pytest.raises(FileNotFoundError):
        r3map.copy(f"file://{folder}/none", folder / "kept")
    web.go_on.set()
    r3map.copy(web.url, folder / "kept")
    assert (folder / "kept").read_bytes() == web.data == r3map.cat(web.url)


def test_nobody_answers():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with interrupted():
            r3map.cat(url, deadline=0)
