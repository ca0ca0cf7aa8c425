"""Page faults without any network: r3map and userfaultfd as it is."""

from harness.rows import Figure, Row, Side


def pair(ours, other, *arguments):
    return (Side("r3map", "r3map", program=(ours, *arguments)),
            Side(other, "limit", program=(other, *arguments)))


ROWS = [
    Row("sequential", "1 GiB of the memory backend, one load in each page, in order",
        pair("sequential-r3map", "sequential-uffd-copy", "1G"),
        (Figure("sequential-uffd-copy", 0.7),)),
    Row("sequential-warm", "the same again after all of it was evicted",
        pair("sequential-r3map", "sequential-uffd-copy", "1G", "--warm"),
        (Figure("sequential-uffd-copy"),)),
    Row("sequential-sum", "1 GiB of the memory backend, every byte summed, in order",
        pair("sequential-r3map", "sequential-uffd-copy", "1G", "--sum"),
        (Figure("sequential-uffd-copy"),)),
    Row("page-per-fault", "256 MiB of the memory backend, one load in each page, in order",
        pair("sequential-r3map", "sequential-page-per-fault", "256M"),
        (Figure("sequential-page-per-fault", 12),)),
    Row("random-memory", "first touches of 20,000 random pages in 1 GiB, each",
        pair("random-r3map", "random-bare", "1G", "20000"),
        (Figure("random-bare", 1.3, "share", "latency_ms"),)),
]
