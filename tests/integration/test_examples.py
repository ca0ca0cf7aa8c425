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

    def run(name, data, *arguments):
        minio.put_object(bucket, "object", data)
        done = subprocess.run(
            [sys.executable, FOLDER / name, f"s3://{bucket}/object", *map(str, arguments)],
            env=os.environ | minio.env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

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
