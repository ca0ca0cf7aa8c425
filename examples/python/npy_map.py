#!/usr/bin/env python3
"""Maps a .npy file that lies anywhere, as numpy.load(…, mmap_mode="r") maps a local one.

    AWS_ENDPOINT_URL=… npy_map.py s3://bucket/key.npy

To be installed: r3map and NumPy (pip install './bindings/python[numpy]').
"""

import argparse
import io
import sys

import numpy

import r3map


def load(region):
    """The array in a region; nothing but the header is fetched."""
    head = io.BytesIO(region[:64 << 10])
    read_header = {(1, 0): numpy.lib.format.read_array_header_1_0,
                   (2, 0): numpy.lib.format.read_array_header_2_0}
    try:
        version = numpy.lib.format.read_magic(head)
        shape, fortran, dtype = read_header[version](head)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{region.url} is no .npy file of version 1 or 2: {error}") from None
    return region.array(dtype, shape, offset=head.tell(), order="F" if fortran else "C")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    with r3map.open(parser.parse_args().url) as region:
        values = load(region)
        print(f"{values.dtype}, {values.shape}: {region.stats().resident:,} bytes are here")
        print(f"the last one: {values[(-1,) * values.ndim]}")
        print(f"the sum: {values.sum()}")


if __name__ == "__main__":
    try:
        main()
    except (r3map.Error, ValueError) as error:
        sys.exit(f"npy_map.py: {error}")
