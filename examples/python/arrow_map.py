#!/usr/bin/env python3
"""Reads Arrow and Parquet files through pyarrow from mapped memory.

    AWS_ENDPOINT_URL=… arrow_map.py s3://bucket/table.arrow [--column NAME]

pyarrow.py_buffer(region) is the region itself. A column of an Arrow file then is its memory, not
copied, and fetched when it is looked at. Parquet has to be decoded; what it skips isn't fetched.

To be installed: r3map (pip install ./bindings/python) and pyarrow.
"""

import argparse
import sys

import pyarrow
import pyarrow.compute
import pyarrow.parquet

import r3map


def read(region, column=None):
    """A pyarrow table, of one column or of all."""
    source = pyarrow.BufferReader(pyarrow.py_buffer(region))
    columns = None if column is None else [column]
    if region[:4] == b"PAR1":
        file = pyarrow.parquet.ParquetFile(source)
        check(column, file.schema_arrow.names)
        return file.read(columns)
    table = pyarrow.ipc.open_file(source).read_all()
    check(column, table.column_names)
    return table if columns is None else table.select(columns)


def check(column, names):
    if column is not None and column not in names:
        raise ValueError(f"no column {column}; there are {', '.join(names)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--column")
    arguments = parser.parse_args()
    with r3map.open(arguments.url) as region:
        table = read(region, arguments.column)
        copied = pyarrow.total_allocated_bytes()
        print(f"{table.num_rows:,} rows, {table.nbytes:,} bytes, {copied:,} of them copied")
        for name in table.column_names:
            kind = table.schema.field(name).type
            if pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind):
                print(f"{name}: {kind}, sum {pyarrow.compute.sum(table[name])}")
        print(f"{region.stats().resident:,} of {region.size:,} bytes are here")


if __name__ == "__main__":
    try:
        main()
    except (r3map.Error, pyarrow.ArrowException, ValueError) as error:
        sys.exit(f"arrow_map.py: {error}")
