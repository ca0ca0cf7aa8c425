"""What r3map itself takes: bookkeeping, and how well it keeps to a budget."""

from harness.rows import Figure, Row, Side

ROWS = [
    Row("sparse", "1 TiB of memory, 1,000 places of it touched: bookkeeping in MiB",
        (Side("r3map", "r3map", program=("sparse-r3map", "1T", "1000")),),
        (Figure("", 64, "amount", "bookkeeping_mib"),)),
    Row("budget", "1 GiB from MinIO summed within a budget of a third of it",
        (Side("r3map", "r3map", options={"budget_share": 1 / 3}),
         Side("unlimited", "limit", "r3map")),
        (Figure("unlimited", 0.8),
         Figure("", 1.05, "amount", "peak_of_budget", "peak memory in units of that budget")),
        task="sum", store="s3"),
]
