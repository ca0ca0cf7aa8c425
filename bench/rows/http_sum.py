"""The same over plain HTTP, where the server costs next to nothing."""

from harness.rows import CURL_FRESH, CURL_TOUCHED, R3MAP, Figure, Row
from rows.s3_sum import COST_OF_PAGES

ROWS = [
    Row("http-sum", "1 GiB of float32 from nginx, from open to numpy.sum",
        (R3MAP, CURL_FRESH, CURL_TOUCHED),
        (Figure("curl-fresh", 1.35), Figure("curl-touched", 0.9, shortfall=COST_OF_PAGES)),
        task="sum", store="http"),
]
