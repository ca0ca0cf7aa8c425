"""How long one waits for a single value."""

from harness.rows import R3MAP, Figure, Row, Side

SIDES = (R3MAP, Side("obstore"))


def rows(suffix, latency_ms):
    where = f"at {latency_ms} ms"
    return [
        Row(f"first{suffix}", f"the array's first value, from open, {where}", SIDES,
            (Figure("obstore", 1.1, "share"),), task="first", arguments={"part": 0.0},
            store="s3", latency_ms=latency_ms, times=3),
        Row(f"middle{suffix}", f"a value in the array's middle, from open, {where}", SIDES,
            (Figure("obstore", 2, "share"),), task="first", arguments={"part": 0.5},
            store="s3", latency_ms=latency_ms, times=3),
        Row(f"random{suffix}", f"100 cold random 4 KiB by touch, each, {where}", SIDES,
            (Figure("obstore", 1.1, "share", "latency_ms"),), task="random",
            arguments={"count": 100}, store="s3", latency_ms=latency_ms),
    ]


ROWS = rows("", 0) + rows("-20ms", 20)
