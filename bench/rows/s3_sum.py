"""The main job: an object on S3 becomes a NumPy array, and is summed."""

from harness.rows import CURL_FRESH, CURL_TOUCHED, R3MAP, Figure, Row, Side

PEERS = tuple(Side(name) for name in (
    "obstore", "boto3", "s3fs", "s3torchconnector", "rclone", "s3fs-fuse", "mountpoint"))

# By perf, while the machine had nothing else to do.
COST_OF_PAGES = (
    "UFFDIO_COPY takes 0.31 of the 0.55 CPU seconds in which a GiB is received and landed. A third "
    "of that is the copy itself; the rest the kernel needs to allocate, charge and map 262,144 "
    "pages, which touched memory has behind it and fresh memory has not. Where a host takes idle "
    "memory back, as here, the first write to each page costs more. And the server, the sum and "
    "the threads that receive share two cores.")
# By perf of the whole machine, while it had nothing else to do.
COST_OF_PROXY = (
    "of both cores' time toxiproxy takes 28 %, MinIO 25 %, the threads that receive 29 %, and of "
    "that two thirds go into one function, the copy into pages that are written for the first "
    "time; the sum takes 7 %, and 8 % are idle, mostly the five round trips until the windows have "
    "grown. So what r3map needs less than its peers, a quarter of their CPU time, gains but a "
    "tenth.")


def row(name, what, latency_ms):
    best = Figure("best peer", 1.15, shortfall=COST_OF_PROXY if latency_ms else "")
    return Row(name, f"1 GiB of float32 on MinIO {what}, from open to numpy.sum",
               (R3MAP, *PEERS, CURL_FRESH, CURL_TOUCHED),
               (best, Figure("curl-fresh", 1.1),
                Figure("curl-touched", 0.9, shortfall=COST_OF_PAGES),
                Figure("best peer", 1.0, "share", "cpu_per_gib",
                       f"CPU seconds for 1 GiB read from MinIO {what}")),
               task="sum", store="s3", latency_ms=latency_ms)


ROWS = [row("s3-sum", "at 0 ms", 0), row("s3-sum-20ms", "at 20 ms", 20)]
