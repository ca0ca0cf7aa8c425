"""The main job: an object on S3 becomes a NumPy array, and is summed."""

from harness.rows import CURL_FRESH, CURL_TOUCHED, R3MAP, Figure, Row, Side

PEERS = tuple(Side(name) for name in (
    "obstore", "boto3", "s3fs", "s3torchconnector", "rclone", "s3fs-fuse", "mountpoint"))


def row(name, what, latency_ms):
    return Row(name, f"1 GiB of float32 on MinIO {what}, from open to numpy.sum",
               (R3MAP, *PEERS, CURL_FRESH, CURL_TOUCHED),
               (Figure("best peer", 1.15), Figure("curl-fresh", 1.1), Figure("curl-touched", 0.9),
                Figure("best peer", 1.0, "share", "cpu_per_gib",
                       f"CPU seconds for 1 GiB read from MinIO {what}")),
               task="sum", store="s3", latency_ms=latency_ms)


ROWS = [row("s3-sum", "at 0 ms", 0), row("s3-sum-20ms", "at 20 ms", 20)]
