#!/usr/bin/env python3
"""Maps the tensors of a .safetensors file: those that are used are fetched, and none is copied.

    AWS_ENDPOINT_URL=… safetensors_map.py s3://bucket/model.safetensors [TENSOR…]

The library's own `load` wants all bytes in one object of its own. Its format is a length, a table
in JSON and the bytes, so the arrays can as well lie where the bytes are.

To be installed: r3map and NumPy (pip install './bindings/python[numpy]').
"""

import argparse
import json
import sys

import numpy

import r3map

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
         "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
         "BF16": "<u2"}  # NumPy has no bfloat16: its bits


def tensors(region):
    """{name: array} of a region; nothing but the table is fetched."""
    length = int.from_bytes(region[:8], "little")
    if length > min(region.size - 8, 100 << 20):  # the format's own limit
        raise ValueError(f"{region.url} is no safetensors file")
    try:
        table = dict(json.loads(region.read(8, length)))
        table.pop("__metadata__", None)
        return {name: region.array(TYPES[entry["dtype"]], entry["shape"],
                                   8 + length + entry["data_offsets"][0])
                for name, entry in table.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{region.url} is no safetensors file that this can read: "
                         f"{error}") from None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("tensor", nargs="*", help="fetched and summed up; default: all")
    arguments = parser.parse_args()
    with r3map.open(arguments.url) as region:
        found = tensors(region)
        here = region.stats().resident
        print(f"{len(found)} tensors: {here:,} of {region.size:,} bytes are here")
        if missing := set(arguments.tensor) - set(found):
            raise ValueError(f"no tensor {', '.join(sorted(missing))}; there are "
                             f"{', '.join(found) or 'none'}")
        for name in arguments.tensor or found:
            array = found[name]
            print(f"{name}: {array.dtype} {array.shape}, {array.sum(dtype=numpy.float64):.10g}")
        print(f"{region.stats().resident:,} bytes are here")


if __name__ == "__main__":
    try:
        main()
    except (r3map.Error, ValueError) as error:
        sys.exit(f"safetensors_map.py: {error}")
