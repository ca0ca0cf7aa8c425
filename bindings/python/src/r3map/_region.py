"""What users call: opening, and the region with defaults, slices and NumPy."""

from __future__ import annotations

import math
import operator
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypedDict, Unpack

from . import _arguments, _r3map
from ._arguments import OptionValue, Path, Ranges, Size
from ._errors import Error, InvalidError, RangeError, StaleError
from ._progress import Progress, reporter

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    from ._asyncio import Completions, Opening
    from ._file import RegionFile

Pull = Literal["readahead", "all", "none"]
StatsFormat = Literal["json", "prometheus"]

_MOST_CELLS = 1 << 20  # as r3map_region_residency


class Stats(NamedTuple):
    """What `Region.stats` gives, in bytes where nothing else is said."""

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
    fault_count: int
    """Page faults whose time was taken: several threads on one page are one (count)."""
    fault_us_total: int
    """From these faults to their pages, all together (microseconds)."""
    fault_us_p50: int
    """Half of them took no longer; at most a quarter too high (microseconds)."""
    fault_us_p99: int
    """99 of 100 took no longer; at most a quarter too high (microseconds)."""
    fault_us_max: int
    """The slowest (microseconds)."""
    hedged_requests: int
    """Of `requests`, those sent again because the first was late (count)."""
    retries: int
    """Attempts of a read that failed and were followed by another (count)."""


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

    Its pickle is what it was opened with, credentials in `storage_options` included, and never
    bytes of the object. Who loads it opens the object again, and gets StaleError if it is another
    version by then.
    """

    _specification: dict[str, Any]

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

    def read(
        self, offset: int = 0, length: int | None = None, *, progress: Progress | None = None
    ) -> bytes:
        """A copy of `length` bytes at `offset` (None: up to the end).

        progress: a bar with update(n), such as tqdm's, or a function (done, total).
        """
        span = self._range(offset, length)
        return self._read(*span, reporter(progress, span[1]))

    def readinto(self, buffer: Any, offset: int = 0) -> int:
        """Fills a writable, contiguous buffer, as far as the object reaches. Gives the count."""
        return self._readinto(buffer, self._offset(offset))

    def file(self, block_size: Size | None = None) -> RegionFile:
        """The region as a seekable binary file: for `numpy.load`, `zipfile`, `pandas.read_csv`.

        block_size: what is fetched around a read at least, in bytes or as text ("64K"); None:
            1 MiB. Ahead of a reader who goes on where he was more is fetched, whatever `pull` is.
        What is read is a copy. Closing the file does not end the region.
        """
        from ._file import RegionFile

        return RegionFile(self, _arguments.size("block_size", block_size))

    def populate(
        self, offset: int = 0, length: int | None = None, *, progress: Progress | None = None
    ) -> None:
        """Makes a range resident now (None: up to the end). Failed pages are tried again.

        progress: as for `read`. What it raises ends the wait, not the fetches.
        Raises MemoryLimitError if it is more than the budget, else what the store failed with.
        """
        span = self._range(offset, length)
        self._populate(*span, reporter(progress, span[1]))

    def prefetch(self, ranges: Ranges) -> None:
        """Starts to fetch many ranges, all at once, and returns.

        ranges: pairs (offset, length), or an integer array of shape (n, 2).
        Failures are left for a later call or touch to meet; `wait` tells. Raises BusyError if too
        many ranges wait already, StaleError if the object is known to have changed.
        """
        self._prefetch(_arguments.pairs(ranges))

    def pin(self, offset: int = 0, length: int | None = None) -> Pin:
        """Makes a range resident and keeps it so: for system calls on the memory.

        Released by ``with region.pin(…):``, by `Pin.release`, or when the region is closed.
        """
        span = self._range(offset, length)
        self._pin(*span)
        return Pin(self, *span)

    async def populate_async(
        self, offset: int = 0, length: int | None = None, *, progress: Progress | None = None
    ) -> None:
        """As `populate`, for asyncio. Cancelling ends the wait, not the fetches."""
        span = self._range(offset, length)
        start = partial(self._populate_async, span=span)
        report = reporter(progress, span[1]) if span[1] > 0 else None
        await self._run_async(start, report, lambda: self._resident_in(*span))
        if report is not None:
            report(span[1])

    async def pin_async(self, offset: int = 0, length: int | None = None) -> Pin:
        """As `pin`, for asyncio: ``with await region.pin_async(…):``."""
        span = self._range(offset, length)
        await _completions().run(
            partial(self._pin_async, span=span), self.url, lambda _: self._unpin(*span)
        )
        return Pin(self, *span)

    async def read_async(self, offset: int = 0, length: int | None = None) -> bytes:
        """As `read`, for asyncio."""
        span = self._range(offset, length)
        if (result := self._read_resident(*span)) is not None:
            return result
        _, filled = await _completions().run(partial(self._read_async, span=span), self.url)
        assert filled is not None
        return filled

    async def wait_async(self, *, progress: Progress | None = None) -> None:
        """As `wait`, for asyncio."""
        start = 0 if progress is None else self.stats().fetched
        report = reporter(progress, None)
        await self._run_async(self._wait_async, report, lambda: self.stats().fetched - start)
        if report is not None:
            report(self.stats().fetched - start)

    async def _run_async(
        self,
        start: Callable[[_r3map.Queue, int], None],
        report: Callable[[int], None] | None,
        measure: Callable[[], int],
    ) -> None:
        call = _completions().run(start, self.url)
        if report is None:
            await call
            return
        from ._asyncio import telling

        tell, most = report, 0

        def tick(value: int) -> None:
            nonlocal most
            most = max(most, value)  # what is evicted meanwhile has come even so
            tell(most)

        await telling(call, measure, tick)

    def _resident_in(self, offset: int, length: int) -> int:
        """How much of a range is resident, to one part in 256 or better."""
        cells = min(256, length)
        return sum(self._residency(offset, length, cells)) * length // (255 * cells)

    def evict(self, offset: int = 0, length: int | None = None) -> None:
        """Gives the memory of a range back, but for pinned pages. A touch fetches it again."""
        self._evict(*self._range(offset, length))

    def wait(self, *, progress: Progress | None = None) -> None:
        """Waits for all fetches in the background (prefetch, priority, pull).

        progress: as for `read`, told of the bytes that arrive; their total is not known (None).
        Raises what one of them failed with since the last wait.
        """
        start = 0 if progress is None else self.stats().fetched
        self._wait_with(reporter(progress, None), lambda stats: stats.fetched - start)

    def _wait_with(
        self, report: Callable[[int], None] | None, measure: Callable[[Stats], int]
    ) -> None:
        if report is None:
            return self._wait()
        tell = report

        def tick() -> None:
            tell(measure(self.stats()))

        self._wait(tick)
        tick()

    def stats(self) -> Stats:
        """What is resident and what was fetched."""
        return Stats(*self._stats())

    def stats_text(self, format: StatsFormat = "json") -> str:
        """The same as JSON, or as Prometheus scrapes it ("prometheus")."""
        return self._stats_text(_stats_format(format))

    def residency(
        self, cells: int, offset: int = 0, length: int | None = None
    ) -> numpy.typing.NDArray[numpy.uint8]:
        """How much of each of `cells` equal parts of a range is resident: 0 nothing, 255 all.

        cells: 1 to 1,048,576.
        """
        import numpy

        span = self._range(offset, length)
        # Before room for them is made.
        if not 1 <= operator.index(cells) <= _MOST_CELLS:
            raise InvalidError(f"residency: 1 to {_MOST_CELLS:,} cells, not {cells}", url=self.url)
        return numpy.frombuffer(self._residency(*span, cells), numpy.uint8)

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

    async def __aenter__(self) -> Self:
        self._check_open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import asyncio

        # Ends what is under way, and waits for that.
        await asyncio.get_running_loop().run_in_executor(None, self._let_go)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.url, self._specification, self.size, self.version)

    def __repr__(self) -> str:
        url = _r3map.shown_url(self.url)
        return f"<r3map.Region {url!r} {'closed' if self.closed else f'{self._length} bytes'}>"

    def _offset(self, offset: int) -> int:
        offset, size = _arguments.count("offset", offset), self.size
        if offset < 0:
            raise InvalidError(f"offset {offset} is negative", url=self.url)
        if offset > size:
            raise RangeError(f"offset {offset} is past the end, {size}", url=self.url)
        return offset

    def _range(self, offset: int, length: int | None) -> tuple[int, int]:
        offset = self._offset(offset)
        if length is None:
            return offset, self.size - offset
        length = _arguments.count("length", length)
        if length < 0:
            raise InvalidError(f"length {length} is negative", url=self.url)
        if offset + length > self.size:
            raise RangeError(
                f"{length} bytes at {offset} go past the end, {self.size}", url=self.url
            )
        return offset, length


def open(
    url: Path,
    mode: str = "r",
    *,
    storage_options: Mapping[str, OptionValue] | None = None,
    pull: Pull = "readahead",
    priority: Ranges | None = None,
    pull_order: Path | None = None,
    trace: Path | None = None,
    chunk_size: Size | None = None,
    budget: Size | None = None,
    fetch_limits: tuple[int, Size] | None = None,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Region:
    """Maps an object into memory. Nothing is fetched beyond its first bytes.

    url: s3://bucket/key, http://, https://, file:///path, memory:64M, a str that is a path
        because it begins with / or ., or any path object.
    mode: "r"; no other exists yet.
    storage_options: options of the backend (docs/options.md), such as endpoint_url, key, secret.
    pull: which pages come without being touched: those ahead of a sequential reader
        ("readahead"), all of them in the background ("all"), or "none".
    priority: ranges to pull first, as for `Region.prefetch`.
    pull_order: a file that `trace` has written: what it tells is pulled first, in its order.
    trace: a file to write, when the region is closed, about what was asked for. If it can't be
        written by then, only the log tells (R3MAP_LOG=warn).
    chunk_size: what a lone page fault fetches: a power of two from 4 KiB to 1 GiB, in bytes or as
        text ("1M"); None: what suits the store.
    budget: how much may be resident, in bytes (1.5e9 too) or as text ("512M", "512 MiB"; M is
        1024 K); None: only the budget of all regions together, half of the memory that was free.
    fetch_limits: (requests, bytes) that may be under way for other than page faults; 0: as suits
        the store.
    deadline: how many seconds a fault may take, or a call may go without progress (this one has
        them as a whole, reads have them anew whenever bytes come); None: 60; 0 or math.inf: for
        ever.
    progress: with pull="all", waits until all is here that the budget has room for, and tells
        how far it is, as for `read`.

    Raises NotFoundError, AccessError, NetworkError, DeadlineError, ProtocolError, StoreError,
    UnsupportedError, MemoryLimitError, and InvalidError for arguments that can't be right.
    """
    if progress is not None and pull != "all":
        raise InvalidError("progress is for pull='all'; `populate` and `read` have their own")
    region, options = _prepare(
        mode,
        storage_options=storage_options,
        pull=pull,
        priority=priority,
        pull_order=pull_order,
        trace=trace,
        chunk_size=chunk_size,
        budget=budget,
        fetch_limits=fetch_limits,
        deadline=deadline,
    )
    if region._open(*_arguments.names(url), options):
        _warn_of_eager()
    if progress is not None:
        _pull_all(region, progress)
    return region


class OpenOptions(TypedDict, total=False):
    """What `open` and `open_async` take by name."""

    storage_options: Mapping[str, OptionValue] | None
    pull: Pull
    priority: Ranges | None
    pull_order: Path | None
    trace: Path | None
    chunk_size: Size | None
    budget: Size | None
    fetch_limits: tuple[int, Size] | None
    deadline: float | None


def open_async(url: Path, mode: str = "r", **options: Unpack[OpenOptions]) -> Opening:
    """As `open`, for asyncio; the arguments are the same, but for `progress`.

    ``region = await r3map.open_async(url)``, or ``async with r3map.open_async(url) as region:``.
    """
    from ._asyncio import Opening

    name, text = _arguments.names(url)

    async def opened() -> Region:
        region, prepared = _prepare(mode, **options)

        def undo(value: int) -> None:
            region._adopt(value, text)
            region._let_go()

        value, _ = await _completions().run(
            lambda queue, tag: _r3map.open_async(name, text, prepared, queue, tag), text, undo
        )
        if region._adopt(value, text):
            _warn_of_eager()
        return region

    return Opening(opened)


def _completions() -> Completions:
    # Imported by who uses it: asyncio brings much along, TLS for one.
    from ._asyncio import completions

    return completions()


def _prepare(mode: str, **given: Unpack[OpenOptions]) -> tuple[Region, _r3map.Options]:
    """A region that is not open yet, and the options to open it with."""
    if mode != "r":
        raise InvalidError(f"mode {mode!r}: use 'r', there is no other yet")
    pull = given.get("pull", "readahead")
    if pull not in _r3map.PULL:
        raise InvalidError(f"pull {pull!r} is none of {', '.join(map(repr, _r3map.PULL))}")
    priority = given.get("priority")
    ranges = None if priority is None else _arguments.pairs(priority, "priority")
    options = _r3map.Options(
        _arguments.texts(given.get("storage_options")),
        deadline=_arguments.milliseconds(given.get("deadline")),
        chunk_size=_arguments.size("chunk_size", given.get("chunk_size")),
        budget=_arguments.size("budget", given.get("budget")),
        pull=_r3map.PULL[pull],
        priority=ranges,
        fetch_limits=_arguments.fetch_limits(given.get("fetch_limits")),
        trace=_arguments.path("trace", given.get("trace")),
        pull_order=_arguments.path("pull_order", given.get("pull_order")),
    )
    region = Region.__new__(Region)
    specification = given.copy()
    specification.pop("trace", None)  # only one can write it
    if (storage_options := given.get("storage_options")) is not None:
        specification["storage_options"] = dict(storage_options)
    if ranges is not None:
        numbers = map(int, ranges)
        specification["priority"] = list(zip(numbers, numbers))
    if pull_order := given.get("pull_order"):
        specification["pull_order"] = os.path.abspath(pull_order)
    region._specification = {
        name: value for name, value in specification.items() if value is not None
    }
    return region, options


def _warn_of_eager() -> None:
    warnings.warn(
        "userfaultfd is forbidden here: the whole object was read into memory "
        "(docs/containers.md tells how to allow it)",
        RuntimeWarning,
        stacklevel=3,  # who called open
    )


def stats_text(format: StatsFormat = "json") -> str:
    """The statistics of all open regions: a JSON array, or what Prometheus scrapes."""
    return _r3map.stats_text(_stats_format(format))


def _stats_format(format: str) -> int:
    if format not in _r3map.STATS:
        raise InvalidError(f"format {format!r} is none of {', '.join(map(repr, _r3map.STATS))}")
    return _r3map.STATS[format]


def _pull_all(region: Region, progress: Progress) -> None:
    """Waits for pull="all"; a region that was not wanted to the end is closed."""
    try:
        report = reporter(progress, min(region.size, region.stats().budget))
        region._wait_with(report, lambda stats: stats.resident)
    except BaseException:
        region.close()
        raise


def _reopen(url: str, arguments: dict[str, Any], size: int, version: str) -> Region:
    region = open(url, **arguments)
    if (region.size, region.version) != (size, version):
        there = region.version or f"of {region.size} bytes"
        region.close()
        raise StaleError(
            f"open {_r3map.shown_url(url)}: the object is no longer the one that was pickled: "
            f"version {version or f'of {size} bytes'}, now {there}",
            url=url,
        )
    return region
