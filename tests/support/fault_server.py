#!/usr/bin/env python3
"""An HTTP/1.1 server that lies, stalls, truncates, drips and resets, for tests of clients.

    python3 tests/support/fault_server.py [--port 0] [--size N]
    python3 tests/support/fault_server.py --list

prints `listening PORT` and serves on 127.0.0.1 until SIGTERM or until its stdin (a pipe) closes.

    GET /<scenario>/<anything>?name=value&…      also /<scenario>/name=value/<anything>
    GET /stats[?path=/…]                         JSON: what was asked, connections accepted
    POST /reset                                  forgets counters, statistics and what was switched
    POST /control?reset_accepts=K                the next K connections are reset when accepted
    POST /control?switch=<scenario>&name=value…  what /switch/<anything> does from now on
    POST /control?tls=stall|close|reset|garbage|alert     what happens to those who speak TLS

Parameters may stand in the path, because an s3:// URL has no query. With `s3://<scenario>/size=10/x`
every scenario is a bucket.

The object. Byte i is the high byte of (i mod 1048573) * 2654435761 mod 2^32. The prime period
makes every shift of less than a period visible, and lets objects of any size be served from one
buffer. In version v (see `etag-changes`) v - 1 is added to each byte, mod 256.

Parameters of every scenario:
    size=N            the object's size (--size, else 1 MiB)
    after=A           the first A requests to this path are answered well (default 0)
    times=K           then K requests misbehave, and what follows is answered well (default: all do)
    every=E           of these only each E-th misbehaves (default 1)
    spare=S           but each S-th is answered well
    at=OFFSET         only requests whose range holds this byte count and misbehave
    count=get|all     whether HEAD counts for the above (all); scenarios marked B count GETs only
The state is kept by path without the query: a test that takes a path of its own is alone.
The scenarios are functions of a few lines in tests/support/faults/.
"""

import argparse
import asyncio
import itertools
import sys

import faults


def main():
    parser = argparse.ArgumentParser(description="HTTP server that misbehaves on request")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--size", type=int, default=1 << 20, help="default object size")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    arguments = parser.parse_args()
    if arguments.list:
        by_family = itertools.groupby(faults.SCENARIOS.values(), key=lambda s: s.family)
        for family, scenarios in by_family:
            print(f"\n{family}")
            for scenario in scenarios:
                print(f"  {scenario}")
        return
    asyncio.run(faults.Server(arguments.size).run(arguments.port))


if __name__ == "__main__":
    sys.exit(main())
