"""fsspec's protocol `r3map`, and what stands on it: pandas, pyarrow, zarr, xarray, Dask."""

import io
import pickle

import pytest

import required
import servers

for name in ("dask", "fsspec", "numpy", "pandas", "pyarrow", "r3map", "s3fs", "xarray", "zarr"):
    required.module(name)

import dask.bag  # noqa: E402
import fsspec  # noqa: E402
import numpy  # noqa: E402
import pandas  # noqa: E402
import pyarrow.parquet  # noqa: E402
import xarray  # noqa: E402
import zarr  # noqa: E402

import r3map  # noqa: E402

MiB = 1 << 20
DATA = servers.content(0, 5 * MiB + 77)


def s3_options(minio):
    return {"key": minio.access_key, "secret": minio.secret_key,
            "client_kwargs": {"endpoint_url": minio.endpoint, "region_name": minio.region}}


@pytest.fixture
def chained(minio):
    """Options of a chained URL."""
    return {"s3": s3_options(minio), "r3map": {"deadline": 30}}


@pytest.fixture
def fs(minio, bucket):
    """Over a bucket with folder/one and folder/two."""
    for name in ("one", "two"):
        minio.put_object(bucket, f"folder/{name}", DATA)
    return fsspec.filesystem("r3map", target_protocol="s3", target_options=s3_options(minio),
                             budget="64M")


@pytest.fixture
def frame():
    random = numpy.random.default_rng(5)
    return pandas.DataFrame({"n": numpy.arange(50_000), "x": random.random(50_000),
                             "s": random.integers(0, 9, 50_000).astype(str)})


# ---------------------------------------------------------------- the file system

def test_chained(minio, bucket, chained):
    minio.put_object(bucket, "key", DATA)
    with fsspec.open(f"r3map::s3://{bucket}/key", **chained) as file:
        assert file.size == len(DATA) and file.read() == DATA
        assert file.fs.open_options == {"deadline": 30}
    fs, path = fsspec.core.url_to_fs(f"r3map::s3://{bucket}/key", **chained)
    assert path == f"{bucket}/key" and fs.url(path) == f"s3://{bucket}/key"
    with fsspec.open(f"r3map::s3://{bucket}/key", "rt", encoding="latin1", **chained) as file:
        assert file.read(100) == DATA[:100].decode("latin1")


def test_direct(minio, bucket, nginx):
    minio.put_object(bucket, "key", DATA)
    with fsspec.open(f"r3map://s3://{bucket}/key", storage_options=minio.storage_options) as file:
        assert file.read() == DATA
    url = nginx.put("direct", DATA)
    for chain in (f"r3map::{url}", f"r3map://{url}"):
        with fsspec.open(chain) as file:
            assert file.read() == DATA


def test_local(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    for url in (f"r3map::{path}", f"r3map::file://{path}", f"r3map://{path}"):
        with fsspec.open(url) as file:
            assert file.read() == DATA


def test_names(fs, bucket):
    assert fs.ls(f"{bucket}/folder", detail=False) == [
        f"{bucket}/folder/one", f"{bucket}/folder/two"]
    info = fs.info(f"{bucket}/folder/one")
    assert info["size"] == len(DATA) and info["type"] == "file"
    assert fs.exists(f"{bucket}/folder/one") and not fs.exists(f"{bucket}/folder/none")
    assert fs.isdir(f"{bucket}/folder") and fs.isfile(f"{bucket}/folder/two")
    assert fs.glob(f"{bucket}/*/t*") == [f"{bucket}/folder/two"]
    assert fs.find(bucket) == [f"{bucket}/folder/one", f"{bucket}/folder/two"]
    assert fs.size(f"{bucket}/folder/one") == len(DATA)


def test_names_of_a_direct_url(minio, bucket, fs):
    direct = fsspec.filesystem("r3map", storage_options=minio.storage_options)
    assert direct.ls(f"s3://{bucket}/folder", detail=False) == [
        f"s3://{bucket}/folder/one", f"s3://{bucket}/folder/two"]
    assert direct.cat(f"s3://{bucket}/folder/one") == DATA


def test_names_without_the_other_file_system(minio, bucket, fs, monkeypatch):
    def missing(*_, **__):
        raise ImportError

    monkeypatch.setattr(fsspec, "filesystem", missing)
    assert fs.info(f"{bucket}/folder/one")["size"] == len(DATA)
    assert fs.ls(f"{bucket}/folder/one", detail=False) == [f"{bucket}/folder/one"]
    assert not fs.exists(f"{bucket}/folder/none")


def test_options_of_s3fs(minio, bucket):
    """As s3fs has them, for both: the file system below lists, r3map reads."""
    minio.put_object(bucket, "folder/one", DATA)
    common = {"client_kwargs": {"region_name": minio.region, "verify": False},
              "config_kwargs": {"s3": {"addressing_style": "path"}, "connect_timeout": 5},
              "s3_additional_kwargs": {"ServerSideEncryption": "AES256"},
              "requester_pays": True, "default_block_size": 1 << 20}
    for more in ({"endpoint_url": minio.endpoint, "key": minio.access_key,
                  "secret": minio.secret_key, "use_ssl": False},
                 {"endpoint_url": minio.endpoint.partition("://")[2], "use_ssl": False,
                  "username": minio.access_key, "password": minio.secret_key}):
        fs = fsspec.filesystem("r3map", target_protocol="s3", target_options=common | more)
        assert fs.ls(f"{bucket}/folder", detail=False) == [f"{bucket}/folder/one"]
        with fs.open(f"{bucket}/folder/one") as file:
            assert file.read() == DATA
    with pytest.raises(r3map.ReadOnlyError):
        fs.rm(f"{bucket}/folder/one")
    with pytest.raises(r3map.InvalidError, match="ExpectedBucketOwner"):
        fsspec.filesystem(
            "r3map", target_protocol="s3",
            target_options=s3_options(minio) | {
                "s3_additional_kwargs": {"ExpectedBucketOwner": "1"}}).open(f"{bucket}/folder/one")


def test_versions_of_s3fs(minio, bucket):
    servers.s3_request("PUT", minio.endpoint, f"/{bucket}", query="versioning=", data=(
        b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"))
    for text in (b"first", b"second"):
        minio.put_object(bucket, "key", text)
    fs = fsspec.filesystem("r3map", target_protocol="s3",
                           target_options=s3_options(minio) | {"version_aware": True})
    below = fsspec.filesystem("s3", version_aware=True, **s3_options(minio))
    found = {version["IsLatest"]: version["VersionId"]
             for version in below.object_version_info(f"{bucket}/key")}
    old = f"{bucket}/key?versionId={found[False]}"
    with fs.open(old) as file, fs.open(f"{bucket}/key") as new:
        assert (file.read(), new.read()) == (b"first", b"second")
    assert (fs.cat_file(old), fs.cat_file(f"{bucket}/key")) == (b"first", b"second")
    assert fs.info(old)["size"] == len(b"first")


def test_file(fs, bucket):
    plain = io.BytesIO(DATA)
    random = numpy.random.default_rng(3)
    with fs.open(f"{bucket}/folder/one") as file:
        assert file.readable() and file.seekable() and not file.writable()
        for _ in range(300):
            whence = int(random.integers(0, 3))
            where = int(random.integers(0, 6 * MiB)) - (6 * MiB if whence == 2 else 0)
            if whence != 1 and plain.tell() + where >= 0:
                where = max(where, -len(DATA)) if whence == 2 else where
                assert file.seek(where, whence) == plain.seek(where, whence)
            length = int(random.integers(-1, 100_000))
            if random.integers(0, 2):
                assert file.read(length) == plain.read(length)
            else:
                buffers = bytearray(max(length, 0)), bytearray(max(length, 0))
                assert file.readinto(buffers[0]) == plain.readinto(buffers[1])
                assert buffers[0] == buffers[1]
            assert file.tell() == plain.tell()
        with pytest.raises(ValueError):
            file.seek(-1)
        array = file.region.array("u1")
    assert array.tobytes() == DATA  # the memory stays
    with pytest.raises(ValueError):
        file.read()


def test_lines(minio, bucket, fs):
    text = b"".join(b"%d,%s\n" % (n, b"x" * (n % 50_000)) for n in range(0, 60_000, 997)) + b"end"
    minio.put_object(bucket, "lines", text)
    with fs.open(f"{bucket}/lines") as file:
        assert list(file) == text.splitlines(keepends=True)
        file.seek(0)
        assert file.readline(3) == text[:3] and file.readlines(10)


def test_sequential_reads_are_few_requests(fs, bucket):
    with fs.open(f"{bucket}/folder/one") as file:
        pieces = []
        while piece := file.read(8192):
            pieces.append(piece)
        assert b"".join(pieces) == DATA
        assert file.region.stats().requests < 30


def test_ranges(fs, bucket):
    one, two = f"{bucket}/folder/one", f"{bucket}/folder/two"
    starts, ends = [0, 4 * MiB, -10, 7], [10, 4 * MiB + 5, None, 3]
    expected = [DATA[a:b] for a, b in zip(starts, ends)]
    assert fs.cat_ranges([one] * 4, starts, ends) == expected
    assert fs.cat_ranges([one, two] * 2, starts, ends) == expected
    assert fs.cat_file(one, 5, 9) == DATA[5:9]
    assert fs.cat([one, two]) == {one: DATA, two: DATA}
    assert fs.cat_ranges([], [], []) == []
    found = fs.cat_ranges([one, f"{bucket}/none"], 0, 5)
    assert found[0] == DATA[:5] and isinstance(found[1], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges([one, f"{bucket}/none"], 0, 5, on_error="raise")


def test_get(fs, bucket, tmp_path):
    fs.get(f"{bucket}/folder/one", str(tmp_path / "one"))
    assert (tmp_path / "one").read_bytes() == DATA


def test_pickles(fs, bucket):
    again = pickle.loads(pickle.dumps(fs))
    assert again.cat_file(f"{bucket}/folder/one", 0, 9) == DATA[:9]
    with fs.open(f"{bucket}/folder/one") as file:
        file.seek(1000)
        with pickle.loads(pickle.dumps(file)) as copy:
            assert copy.read(10) == DATA[1000:1010] == file.read(10)


def test_what_can_not_be(fs, bucket):
    with pytest.raises(r3map.InvalidError, match="budgt"):
        fsspec.filesystem("r3map", target_protocol="s3", budgt="1G")
    with pytest.raises(r3map.InvalidError, match="memory://"):
        fsspec.filesystem("r3map", target_protocol="memory")
    with pytest.raises(r3map.InvalidError, match="anything"):
        fs.open(f"{bucket}/folder/one", anything=1)
    with pytest.raises(r3map.ReadOnlyError):
        fs.open(f"{bucket}/new", "wb")
    with pytest.raises(FileNotFoundError):
        fs.open(f"{bucket}/none")


# ---------------------------------------------------------------- what stands on it

def test_pandas(minio, bucket, chained, frame):
    parquet, csv = io.BytesIO(), frame.to_csv(index=False).encode()
    frame.to_parquet(parquet)
    minio.put_object(bucket, "frame.parquet", parquet.getvalue())
    minio.put_object(bucket, "frame.csv", csv)
    url = f"r3map::s3://{bucket}/frame"
    for engine in ("c", "pyarrow"):
        found = pandas.read_csv(f"{url}.csv", storage_options=chained, engine=engine,
                                dtype={"s": str})
        assert len(found) == len(frame) and (found["n"] == frame["n"]).all()
    found = pandas.read_parquet(f"{url}.parquet", storage_options=chained)
    pandas.testing.assert_frame_equal(found, frame)
    columns = pandas.read_parquet(f"{url}.parquet", storage_options=chained, columns=["x"])
    assert list(columns) == ["x"] and (columns["x"] == frame["x"]).all()


def test_pyarrow(fs, minio, bucket, frame):
    parquet = io.BytesIO()
    frame.to_parquet(parquet, row_group_size=10_000)
    minio.put_object(bucket, "frame.parquet", parquet.getvalue())
    table = pyarrow.parquet.read_table(f"{bucket}/frame.parquet", filesystem=fs, columns=["n"])
    assert table["n"].to_pylist() == list(range(50_000))


@pytest.mark.parametrize("form", [2, 3])
def test_zarr_and_xarray(minio, bucket, chained, tmp_path, form):
    values = numpy.random.default_rng(1).random((60, 100))
    data = xarray.Dataset({"t": (("a", "b"), values)}, coords={"a": numpy.arange(60)})
    data.to_zarr(tmp_path / "store", zarr_format=form, consolidated=True,
                 encoding={"t": {"chunks": (20, 50)}})
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            minio.put_object(bucket, f"store/{path.relative_to(tmp_path / 'store')}", path)
    url = f"r3map::s3://{bucket}/store"
    found = zarr.open_group(url, mode="r", storage_options=chained, zarr_format=form)
    assert (found["t"][:] == values).all()
    assert (found["t"][30:33, 49:51] == values[30:33, 49:51]).all()
    with xarray.open_zarr(url, storage_options=chained, zarr_format=form) as there:
        xarray.testing.assert_equal(there.load(), data)


def test_dask(fs, minio, bucket, chained):
    text = "".join(f"line {n}\n" for n in range(10_000))
    minio.put_object(bucket, "lines.txt", text.encode())
    bag = dask.bag.read_text(f"r3map::s3://{bucket}/lines.txt", storage_options=chained,
                             blocksize=20_000)
    assert bag.npartitions > 1
    assert bag.compute(scheduler="threads") == text.splitlines(keepends=True)
