"""What users call: opening, and the region with defaults, slices and NumPy."""

from __future__ import annotations

import array
import math
import operator
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union

from . import _r3map
from ._errors import Error, InvalidError, RangeError

if TYPE_CHECKING:
    import numpy
    import numpy.typing
    from typing_extensions import Self

OptionValue = Union[str, int, float, bool, None, Mapping[str, "str | None"]]
Url = Union[str, "os.PathLike[str]"]
Ranges = Union[Iterable["tuple[int, int]"], "numpy.typing.NDArray[numpy.integer[Any]]"]
Pull = Literal["readahead", "all", "none"]


class Info(NamedTuple):
    """What `r3map.info` gives."""

    size: int
    """Of the object, in bytes."""
    version: str
    """What identifies the object's present version (an ETag, …); "" where the store has none."""


class Stats(NamedTuple):
    """What `Region.stats` gives. All but `eager` and the counts are in bytes."""

    eager: bool
    """Whether everything was read at open, because userfaultfd is forbidden here."""
    size: int
    """Of the object."""
    resident: int
    """In memory now."""
    pinned: int
    """Of `resident`, what can't be evicted now."""
    in_flight: int
    """Asked for and not here yet."""
    budget: int
    """What may be resident."""
    faults: int
    """Page faults answered (count)."""
    failed_faults: int
    """Page faults answered by SIGBUS (count)."""
    requests: int
    """Reads sent to the store (count)."""
    failed_requests: int
    """Of `requests`, those that failed for good (count)."""
    fetched: int
    """Arrived from the store since the open."""
    evicted: int
    """Given back since the open."""


class Pin:
    """Keeps a range resident until `release()` or the end of its `with` block."""

    def __init__(self, region: Region, offset: int, length: int) -> None:
        self._region: Region | None = region
        self._range = offset, length

    def release(self) -> None:
        """Lets the range be evicted again. Does nothing when that was done, or after a close."""
        region, self._region = self._region, None
        if region is not None:
            region._unpin(*self._range)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class Region(_r3map.Region):
    """An object in memory, read-only. Made by `r3map.open`.

    It has the buffer protocol: ``memoryview(region)``, ``numpy.frombuffer(region, dtype)`` and
    `array` point to the memory itself, and a page arrives when it is first touched. If it can't
    be had, the touch kills the process with SIGBUS. Every method, a slice (``region[a:b]``) and
    an index (``region[i]``) raise an exception instead, release the GIL while they wait, and end
    at once with KeyboardInterrupt on Ctrl-C. `populate` before a touch gives both.

    As a context manager it is let go at the end of the block: no method works any more, but the
    memory stays until the last array on it is gone.
    """

    def __init__(self) -> None:
        raise TypeError("regions are made by r3map.open")

    @property
    def nbytes(self) -> int:
        """The object's size, as NumPy calls it."""
        return self.size

    @property
    def version(self) -> str:
        """What identifies the version that was opened (an ETag, …); "" where there is none."""
        return self._version()

    @property
    def error(self) -> Error | None:
        """Why a page could last not be had (what explains a SIGBUS), or None."""
        return self._error()

    def __len__(self) -> int:
        return self.size

    # Byte by byte through the safe path is never what was meant: iterate over a memoryview.
    __iter__ = None

    def __bytes__(self) -> bytes:
        return self.read()

    def __getitem__(self, key: Any) -> Any:
        """``region[a:b]``: bytes, a copy. ``region[i]``: an int from 0 to 255."""
        size = self.size
        if isinstance(key, slice):
            start, stop, step = key.indices(size)
            if step != 1:
                raise InvalidError("slices with a step: use memoryview(region)", url=self.url)
            return self._read(start, max(0, stop - start))
        index = operator.index(key)
        if index < 0:
            index += size
        if not 0 <= index < size:
            raise RangeError(f"index {key} is outside of the {size} bytes", url=self.url)
        return self._read(index, 1)[0]

    def array(
        self,
        dtype: numpy.typing.DTypeLike,
        shape: int | Sequence[int] | None = None,
        offset: int = 0,
        order: Literal["C", "F"] = "C",
    ) -> numpy.typing.NDArray[Any]:
        """A NumPy array on the memory itself: nothing is copied or fetched. It is read-only.

        shape: as for reshape, -1 at most once; None: one dimension, up to the end.
        offset: of its first byte.
        Raises InvalidError if that does not fit the object's size.
        """
        import numpy

        kind = numpy.dtype(dtype)
        offset = self._offset(offset)
        if order not in ("C", "F"):
            raise InvalidError(f"order {order!r} is neither 'C' nor 'F'", url=self.url)
        if kind.itemsize == 0:
            raise InvalidError(f"dtype {kind} has no size", url=self.url)
        if shape is None:
            shape = (-1,)
        lengths = [operator.index(n) for n in (shape if hasattr(shape, "__iter__") else (shape,))]
        if any(n < -1 for n in lengths) or lengths.count(-1) > 1:
            raise InvalidError(f"shape {shape} can't be", url=self.url)
        item = kind.itemsize * math.prod(n for n in lengths if n != -1)
        there = self.size - offset
        if -1 in lengths:
            if item == 0 or there % item:
                raise InvalidError(
                    f"{there} bytes from offset {offset} are no multiple of {item}", url=self.url
                )
            lengths[lengths.index(-1)] = there // item
        count = math.prod(lengths)
        if count * kind.itemsize > there:
            raise InvalidError(
                f"shape {tuple(lengths)} of {kind} takes {count * kind.itemsize} bytes; "
                f"there are {there} from offset {offset}",
                url=self.url,
            )
        if count == 0:  # frombuffer refuses
            result = numpy.empty(lengths, kind, order)
            result.flags.writeable = False
            return result
        # frombuffer, and not ndarray(buffer=…), which drops the buffer that it goes on to use.
        flat: numpy.typing.NDArray[Any] = numpy.frombuffer(memoryview(self), kind, count, offset)
        return flat.reshape(lengths, order=order)

    def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """A copy of `length` bytes at `offset` (None: up to the end)."""
        return self._read(*self._range(offset, length))

    def readinto(self, buffer: Any, offset: int = 0) -> int:
        """Fills a writable, contiguous buffer, as far as the object reaches. Gives the count."""
        return self._readinto(buffer, self._offset(offset))

    def populate(self, offset: int = 0, length: int | None = None) -> None:
        """Makes a range resident now (None: up to the end). Failed pages are tried again.

        Raises MemoryLimitError if it is more than the budget, else what the store failed with.
        """
        self._populate(*self._range(offset, length))

    def prefetch(self, ranges: Ranges) -> None:
        """Starts to fetch many ranges, all at once, and returns.

        ranges: pairs (offset, length), or an integer array of shape (n, 2).
        Failures are left for a later call or touch to meet; `wait` tells.
        """
        self._prefetch(_pairs(ranges))

    def pin(self, offset: int = 0, length: int | None = None) -> Pin:
        """Makes a range resident and keeps it so: for system calls on the memory.

        Released by ``with region.pin(…):``, by `Pin.release`, or when the region is closed.
        """
        span = self._range(offset, length)
        self._pin(*span)
        return Pin(self, *span)

    def evict(self, offset: int = 0, length: int | None = None) -> None:
        """Gives the memory of a range back, but for pinned pages. A touch fetches it again."""
        self._evict(*self._range(offset, length))

    def wait(self) -> None:
        """Waits for all fetches in the background (prefetch, priority, pull).

        Raises what one of them failed with since the last wait.
        """
        self._wait()

    def stats(self) -> Stats:
        """What is resident and what was fetched."""
        return Stats(*self._stats())

    def close(self) -> None:
        """Ends the region. A second time, it does nothing.

        Raises BufferError while arrays or memoryviews point to the memory. Calls under way in
        other threads end with CanceledError.
        """
        self._close()

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._let_go()

    def __reduce__(self) -> Any:
        raise TypeError("a region can't be pickled: pass its URL, and open that again")

    def __repr__(self) -> str:
        return f"<r3map.Region {self.url!r} {'closed' if self.closed else f'{self._length} bytes'}>"

    def _offset(self, offset: int) -> int:
        offset, size = operator.index(offset), self.size
        if offset < 0:
            raise InvalidError(f"offset {offset} is negative", url=self.url)
        if offset > size:
            raise RangeError(f"offset {offset} is past the end, {size}", url=self.url)
        return offset

    def _range(self, offset: int, length: int | None) -> tuple[int, int]:
        offset = self._offset(offset)
        if length is None:
            return offset, self.size - offset
        length = operator.index(length)
        if length < 0:
            raise InvalidError(f"length {length} is negative", url=self.url)
        if offset + length > self.size:
            raise RangeError(
                f"{length} bytes at {offset} go past the end, {self.size}", url=self.url
            )
        return offset, length


def open(
    url: Url,
    mode: str = "r",
    *,
    storage_options: Mapping[str, OptionValue] | None = None,
    pull: Pull = "readahead",
    priority: Ranges | None = None,
    chunk_size: int | str | None = None,
    budget: int | str | None = None,
    deadline: float | None = None,
) -> Region:
    """Maps an object into memory. Nothing is fetched beyond its first bytes.

    url: s3://bucket/key, http://, https://, file:///path, memory:64M, or a path.
    mode: "r"; no other exists yet.
    storage_options: options of the backend (docs/options.md), such as endpoint_url, key, secret.
    pull: which pages come without being touched: those ahead of a sequential reader
        ("readahead"), all of them in the background ("all"), or "none".
    priority: ranges to pull first, as for `Region.prefetch`.
    chunk_size: what a lone page fault fetches: a power of two from 4 KiB to 1 GiB, in bytes or as
        text ("1M"); None: what suits the store.
    budget: how much may be resident, in bytes or as text ("512M"); None: only the budget of all
        regions together, half of the memory that was free.
    deadline: how many seconds a fault or call may take; None: 60; 0 or math.inf: for ever.

    Raises NotFoundError, AccessError, NetworkError, DeadlineError, ProtocolError, StoreError,
    UnsupportedError, MemoryLimitError, and InvalidError for arguments that can't be right.
    """
    if mode != "r":
        raise InvalidError(f"mode {mode!r}: only 'r' exists yet")
    if pull not in _r3map.PULL:
        raise InvalidError(f"pull {pull!r} is none of {', '.join(map(repr, _r3map.PULL))}")
    options = _r3map.Options(
        _texts(storage_options),
        deadline=_milliseconds(deadline),
        chunk_size=_bytes("chunk_size", chunk_size),
        budget=_bytes("budget", budget),
        pull=_r3map.PULL[pull],
        priority=None if priority is None else _pairs(priority),
    )
    region = Region.__new__(Region)
    if region._open(*_names(url), options):
        warnings.warn(
            "userfaultfd is forbidden here: the whole object was read into memory "
            "(docs/containers.md tells how to allow it)",
            RuntimeWarning,
            stacklevel=2,
        )
    return region


def info(
    url: Url,
    *,
    storage_options: Mapping[str, OptionValue] | None = None,
    deadline: float | None = None,
) -> Info:
    """An object's size and version, without mapping it. Arguments and errors as for `open`."""
    options = _r3map.Options(_texts(storage_options), deadline=_milliseconds(deadline))
    return Info(*_r3map.info(*_names(url), options))


def _names(url: Url) -> tuple[bytes, str]:
    """The URL for the C ABI, and for people."""
    # A path object is a path even if it looks like a URL.
    text = url if isinstance(url, str) else os.path.abspath(os.fspath(url))
    return _terminated(os.fsencode(text), "URL"), text


def _terminated(text: bytes, what: str) -> bytes:
    if b"\0" in text:
        raise InvalidError(f"{what} with a zero byte")
    return text


# What s3fs passes on to botocore, and r3map's names for it.
_CLIENT_KWARGS = {
    "endpoint_url": "endpoint_url",
    "region_name": "region",
    "aws_access_key_id": "key",
    "aws_secret_access_key": "secret",
    "aws_session_token": "token",
}


def _texts(options: Mapping[str, OptionValue] | None) -> dict[bytes, bytes]:
    """Backend options as text."""
    given = dict(options or {})
    nested: Any = given.pop("client_kwargs", None) or {}
    for name, value in nested.items():
        if name not in _CLIENT_KWARGS:
            raise InvalidError(f"client_kwargs: {name!r} is none of {', '.join(_CLIENT_KWARGS)}")
        given.setdefault(_CLIENT_KWARGS[name], value)
    result = {}
    for name, value in given.items():
        if value is None:
            continue
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, (str, int, float)):
            text = str(value)
        else:
            raise InvalidError(f"storage option {name!r} is a {type(value).__name__}, not text")
        result[_terminated(name.encode(), "option name")] = _terminated(
            text.encode(), f"storage option {name!r}"
        )
    return result


def _milliseconds(deadline: float | None) -> int | None:
    if deadline is None:
        return None
    if not deadline >= 0:  # nor NaN
        raise InvalidError(f"deadline {deadline} is no number of seconds")
    # Not rounded to 0, which means for ever, as does what no clock can count.
    return 0 if deadline > 1e12 else math.ceil(deadline * 1000)


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def _bytes(name: str, value: int | str | None) -> int | None:
    """4096, "4096", "512M", "1GiB"."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        digits = text.rstrip("KMGTkmgtiB")
        unit = text[len(digits) :].upper()
        for ending in ("IB", "B"):
            if unit.endswith(ending):
                unit = unit[: -len(ending)]
                break
        if not (digits.isascii() and digits.isdigit() and unit in _UNITS):
            raise InvalidError(f"{name} {value!r} is no size: write 4096, '512M' or '1GiB'")
        number = int(digits) * _UNITS[unit]
    else:
        number = operator.index(value)
    if not 0 <= number < 1 << 63:
        raise InvalidError(f"{name} {value!r} can't be")
    return number


def _pairs(ranges: Ranges) -> Any:
    """Ranges as a buffer of uint64: offset, length, offset, …"""
    shape = getattr(ranges, "shape", None)
    if shape is not None:  # NumPy's, or another that NumPy understands
        import numpy

        given = numpy.asarray(ranges)
        if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iu":
            raise InvalidError(f"ranges of shape {shape}, {given.dtype}: not (n, 2) integers")
        if given.dtype.kind == "i" and given.size and given.min() < 0:
            raise InvalidError("ranges with a negative offset or length")
        return numpy.ascontiguousarray(given, numpy.uint64).reshape(-1)
    result = array.array("Q")
    try:
        for offset, length in ranges:
            result.extend((operator.index(offset), operator.index(length)))
    except OverflowError as error:
        raise InvalidError("ranges with a negative or too large offset or length") from error
    return result
