"""Reading parts of an object in one order or another, 20 ms away."""

from harness.rows import R3MAP, Figure, Row, Side

OBSTORE = Side("obstore")

ROWS = [
    Row("gather-20ms", "prefetch of 1,000 random rows of 3 KiB, then their sum, at 20 ms",
        (R3MAP, OBSTORE), (Figure("obstore", 1.0),), task="gather",
        arguments={"count": 1000, "length": 3072}, store="s3", latency_ms=20, times=2),
    Row("stride-20ms", "every 1,000th page touched in order, at 20 ms", (R3MAP, OBSTORE),
        (Figure("obstore", 5),), task="stride", arguments={"step": 1000}, store="s3",
        latency_ms=20),
    Row("replay-20ms", "150 random pages at a second open with the first one's trace, at 20 ms",
        (R3MAP, Side("without", "limit", "r3map", arguments={"replay": False})),
        (Figure("without", 5),), task="replay", arguments={"count": 150}, store="s3",
        latency_ms=20),
]
