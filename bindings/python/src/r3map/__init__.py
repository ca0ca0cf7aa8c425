"""Any remote resource as local memory.

    with r3map.open("s3://bucket/key") as region:
        a = region.array(numpy.float32)   # nothing is fetched yet
        a[12345]                          # this page arrives, then its neighbours

docs/python.md has more.
"""

from ._errors import (
    AccessError,
    BusyError,
    CanceledError,
    DeadlineError,
    Error,
    ForkedError,
    InternalError,
    InvalidError,
    MemoryLimitError,
    NetworkError,
    NotFoundError,
    ProtocolError,
    RangeError,
    ReadOnlyError,
    StaleError,
    StoreError,
    UnsupportedError,
)
from ._objects import Info, cat, copy, info
from ._r3map import version as _version
from ._region import Pin, Region, Stats, open, open_async, stats_text

__version__: str = _version()

__all__ = [
    "AccessError",
    "BusyError",
    "CanceledError",
    "DeadlineError",
    "Error",
    "ForkedError",
    "Info",
    "InternalError",
    "InvalidError",
    "MemoryLimitError",
    "NetworkError",
    "NotFoundError",
    "Pin",
    "ProtocolError",
    "RangeError",
    "ReadOnlyError",
    "Region",
    "StaleError",
    "Stats",
    "StoreError",
    "UnsupportedError",
    "cat",
    "copy",
    "info",
    "open",
    "open_async",
    "stats_text",
]
