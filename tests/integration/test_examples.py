"""The Python examples do what they say, on MinIO."""

import io
import os
import pathlib
import subprocess
import sys

import pytest

import required

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "examples/python"


@pytest.fixture
def example(minio, bucket):
    """Runs an example on an object with these bytes; its output."""
    required.module("r3map")

    def run(name, data, *arguments, fails=False):
        if data is not None:
            minio.put_object(bucket, "object", data)
        done = subprocess.run(
            [sys.executable, FOLDER / name, f"s3://{bucket}/object", *map(str, arguments)],
            env=os.environ | minio.env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == fails, done.stderr
        if fails:  # one line that says what is the matter
            assert done.stderr.startswith(f"{name}: ") and done.stderr.count("\n") == 1, done.stderr
        return done.stderr if fails else done.stdout

    return run


@pytest.mark.parametrize("order", "CF")
def test_npy(example, order):
    numpy = required.module("numpy")
    values = numpy.asarray(numpy.arange(3 << 20, dtype=numpy.int64).reshape(1024, -1), order=order)
    file = io.BytesIO()
    numpy.save(file, values)
    output = example("npy_map.py", file.getvalue())
    assert "int64, (1024, 3072)" in output and f"the last one: {(3 << 20) - 1}\n" in output
    assert f"the sum: {values.sum()}\n" in output


def test_safetensors(example):
    numpy = required.module("numpy")
    safetensors = required.module("safetensors.numpy")
    arrays = {"first": numpy.arange(1 << 20, dtype=numpy.float32),
              "second": numpy.ones((3, 5), numpy.int8), "none": numpy.zeros((0, 2), numpy.float16),
              "last": numpy.full((1 << 20,), 0.5)}
    data = safetensors.save(arrays, metadata={"made": "here"})
    output = example("safetensors_map.py", data)
    for name, array in arrays.items():
        line = f"{name}: {array.dtype} {array.shape}, {array.sum(dtype=numpy.float64):.10g}\n"
        assert line in output
    assert "second: int8 (3, 5), 15\n" in example("safetensors_map.py", data, "second")


@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_arrow(example, form):
    pyarrow = required.module("pyarrow")
    parquet = required.module("pyarrow.parquet")
    table = pyarrow.table({"n": range(300_000), "x": [n / 2 for n in range(300_000)],
                           "s": [str(n) for n in range(300_000)]})
    file = io.BytesIO()
    if form == "arrow":
        with pyarrow.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    else:
        parquet.write_table(table, file)
    output = example("arrow_map.py", file.getvalue())
    assert "300,000 rows" in output and f"n: int64, sum {sum(range(300_000))}\n" in output
    assert "x: double" in output
    one = example("arrow_map.py", file.getvalue(), "--column", "n")
    assert "x: double" not in one
    if form == "arrow":
        assert " 0 of them copied" in one


def test_dask(example):
    numpy = required.module("numpy")
    required.module("distributed")
    values = numpy.arange(4 << 20, dtype=numpy.float32)
    output = example("dask_map.py", values.tobytes(), "--parts", 8)
    assert f"sum {values.sum(dtype=numpy.float64):.10g};" in output
    assert output.count("worker ") == 2
    # No part is fetched twice, though the parts of the workers lie side by side.
    fetched = int(output.split("fetched by all: ")[1].split(" ")[0].replace(",", ""))
    assert values.nbytes <= fetched < 1.05 * values.nbytes


@pytest.mark.parametrize(("name", "module"), [
    ("npy_map.py", "numpy"), ("safetensors_map.py", "numpy"), ("arrow_map.py", "pyarrow"),
    ("s3_numpy.py", "numpy"), ("dask_map.py", "distributed")])
def test_what_is_not_there_or_something_else(example, name, module):
    required.module(module)
    assert "404" in example(name, None, fails=True)
    for data in (b"1", b"something else" * 1000, bytes(1 << 20)):
        if name not in ("s3_numpy.py", "dask_map.py"):  # to which any bytes are numbers
            example(name, data, fails=True)


def test_names_that_are_not_there(example):
    pyarrow = required.module("pyarrow")
    required.module("pyarrow.parquet")
    safetensors, numpy = required.module("safetensors.numpy"), required.module("numpy")
    told = example("safetensors_map.py", safetensors.save({"a": numpy.ones(3)}), "b", fails=True)
    assert "no tensor b; there are a" in told
    table, arrow, parquet = pyarrow.table({"n": [1, 2]}), io.BytesIO(), io.BytesIO()
    with pyarrow.ipc.new_file(arrow, table.schema) as writer:
        writer.write_table(table)
    pyarrow.parquet.write_table(table, parquet)
    for file in (arrow, parquet):
        told = example("arrow_map.py", file.getvalue(), "--column", "m", fails=True)
        assert "no column m; there are n" in told
