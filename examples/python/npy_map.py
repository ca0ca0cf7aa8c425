#!/usr/bin/env python3
"""Maps a .npy file that lies anywhere, as numpy.load(…, mmap_mode="r") maps a local one.

    AWS_ENDPOINT_URL=… npy_map.py s3://bucket/key.npy
"""

import argparse
import io

import numpy

import r3map


def load(region):
    """The array in a region; nothing but the header is fetched."""
    head = io.BytesIO(region[:64 << 10])
    version = numpy.lib.format.read_magic(head)
    read_header = {1: numpy.lib.format.read_array_header_1_0,
                   2: numpy.lib.format.read_array_header_2_0}[version[0]]
    shape, fortran, dtype = read_header(head)
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
    main()
