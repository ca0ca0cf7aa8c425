"""A region as a file, for who reads files."""

import io
import pickle
import zipfile

import numpy
import pytest
from conftest import run_python

import r3map

SIZE = (5 << 20) + 77


@pytest.fixture
def region(make_file):
    with r3map.open(make_file(SIZE)[0], pull="none") as region:
        yield region


def test_as_the_bytes(region):
    data = region.read()
    plain, file = io.BytesIO(data), region.file()
    assert file.readable() and file.seekable() and not file.writable() and file.size == SIZE
    random = numpy.random.default_rng(3)
    for _ in range(300):
        where, length = (int(n) for n in random.integers(-1, [6 << 20, 100_000]))
        if where >= 0:
            assert file.seek(where) == plain.seek(where)
        if length % 3 == 0:
            buffers = bytearray(length), bytearray(length)
            assert file.readinto(buffers[0]) == plain.readinto(buffers[1])
            assert buffers[0] == buffers[1]
        elif length % 3 == 1:
            assert file.readline(length) == plain.readline(length)
        else:
            assert file.read(length) == plain.read(length)
        assert file.tell() == plain.tell()
    assert file.seek(-5, io.SEEK_END) == SIZE - 5 and file.readall() == data[-5:]
    assert file.read() == b"" and file.seek(1 << 40) == 1 << 40 and file.read(1) == b""
    with pytest.raises(ValueError, match="not in the file"):
        file.seek(-1)
    with pytest.raises(io.UnsupportedOperation):
        file.write(b"x")


def test_numpy_load(folder):
    values = numpy.arange(300_000, dtype=numpy.float32).reshape(-1, 3)
    numpy.save(folder / "a.npy", values)
    numpy.savez(folder / "b.npz", values=values, other=values[:5])
    with r3map.open(folder / "a.npy") as region:
        assert (numpy.load(region.file()) == values).all()
    with r3map.open(folder / "b.npz") as region, numpy.load(region.file()) as found:
        assert (found["values"] == values).all() and (found["other"] == values[:5]).all()


def test_zipfile_fetches_only_a_member(folder):
    data = numpy.random.default_rng(1).bytes(20 << 20)
    with zipfile.ZipFile(folder / "z.zip", "w") as archive:
        archive.writestr("large", data)
        archive.writestr("small", b"content")
    with r3map.open(folder / "z.zip", pull="none") as region:
        with zipfile.ZipFile(region.file("64K")) as archive:
            assert archive.namelist() == ["large", "small"]
            assert archive.read("small") == b"content"
            assert region.stats().fetched < 4 << 20
            assert archive.read("large") == data


def test_text_and_lines(folder):
    (folder / "lines").write_text("".join(f"line {n}\n" for n in range(50_000)))
    with r3map.open(folder / "lines") as region:
        lines = (folder / "lines").read_text().splitlines(keepends=True)
        assert list(io.TextIOWrapper(region.file())) == lines
        assert [line.decode() for line in region.file()] == lines


def test_a_file_and_its_region(region):
    data = region.read()
    with region.file() as file:
        assert file.region is region and file.read(3) == data[:3]
    with pytest.raises(ValueError, match="closed file"):
        file.read()
    with region.file() as one, region.file() as other:  # each has a place of its own
        one.seek(100)
        assert other.read(5) == data[:5] and one.read(5) == data[100:105]
        with pickle.loads(pickle.dumps(one)) as again:
            assert again.read(5) == data[105:110]
            again.region.close()
    file = region.file()
    region.close()
    with pytest.raises(ValueError, match="region is closed"):
        file.read(1)
    with pytest.raises(ValueError, match="region is closed"):
        region.file()


def test_its_name_is_no_secret(web):
    with r3map.open(web.url + "?signature=secret") as region:
        assert region.file().name == web.url + "?***"


def test_block_size(region):
    with pytest.raises(TypeError, match="block_size"):
        region.file([1])
    for wrong in ("many", 1.5):
        with pytest.raises(ValueError, match="block_size"):
            region.file(wrong)
    with region.file(4096) as file:
        file.seek(1 << 20)
        file.read(10)
        assert region.stats().fetched < 1 << 20


def test_a_sequential_reader_is_read_ahead_of(web):
    with r3map.open(web.url, pull="none", chunk_size="64K") as region, region.file() as file:
        pieces = []
        while piece := file.read(8192):
            pieces.append(piece)
        assert b"".join(pieces) == web.data
        assert region.stats().requests < 40


def test_needs_nothing_that_is_optional(make_file):
    result = run_python("""
        import sys
        sys.modules["fsspec"] = sys.modules["numpy"] = None  # no import of them succeeds
        import r3map
        print(len(r3map.open(sys.argv[1]).file().read()))
        """, make_file(SIZE)[0])
    assert (result.returncode, result.stdout) == (0, f"{SIZE}\n"), result.stderr
