"""A region as a binary file, for what wants to read and not to be mapped."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any, NoReturn

from . import _r3map
from ._errors import BusyError, InvalidError, StaleError

if TYPE_CHECKING:
    from ._region import Region

# What a read of a file brings in at least, around it; what is fetched ahead of a sequential reader,
# when he is recognised and at most.
_BLOCK, _FIRST_AHEAD, _AHEAD = 1 << 20, 8 << 20, 32 << 20


class RegionFile(io.RawIOBase):
    """A region as a binary file: read-only, seekable, no read gives less than there is.

    `region` is the region itself, for arrays. Closing the file leaves it open. For one thread.
    """

    def __init__(self, region: Region, block_size: int | None = None) -> None:
        self.name, self.mode = _r3map.shown_url(region.url), "rb"
        self.region, self.size = region, region.size
        self._at = 0
        most = max(4096, region.stats().budget // 8)
        self._block = min(max(_BLOCK if block_size is None else block_size, 4096), most)
        self._most_ahead = min(_AHEAD, most)
        self._sent = range(0)  # what was last sent for
        # Of a reader who goes on where he was: where that is, and how far ahead of him. A first
        # read may be of a few bytes that tell the format: it goes nowhere yet.
        self._read_to, self._ahead = -1, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check()
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}.get(whence)
        if start is None or start + offset < 0:
            raise InvalidError(f"seek to {offset}, {whence}: not in the file", url=self.region.url)
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        self._check()
        length = self._length(size)
        self._fetch(length)
        data = self.region.read(self._at, length) if length else b""
        self._at += length
        return data

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        self._check()
        with memoryview(buffer).cast("B") as view:
            length = self._length(len(view))
            self._fetch(length)
            if length:
                self.region.readinto(view[:length], self._at)
        self._at += length
        return length

    def write(self, data: Any, /) -> NoReturn:
        raise io.UnsupportedOperation("r3map only reads")

    def readline(self, size: int | None = -1, /) -> bytes:
        start, rest, parts = self._at, self._length(size), []
        while rest > 0:
            part = self.read(min(rest, 16 << 10))
            found = part.find(b"\n") + 1
            parts.append(part[:found] if found else part)
            rest -= len(part)
            if found:
                break
        self._at = self._read_to = start + sum(map(len, parts))  # goes on here
        return b"".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        self._check()
        return _reopened, (self.region, self._block, self._at)

    def _check(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _length(self, size: int | None) -> int:
        rest = max(0, self.size - self._at)
        return rest if size is None or size < 0 else min(size, rest)

    def _fetch(self, length: int) -> None:
        """Sends for more than is read now, and ahead of a reader who goes on where he was."""
        start, end, sent = self._at, self._at + length, self._sent
        goes_on = start == self._read_to
        self._read_to = end
        if goes_on:
            if sent.stop - end > self._ahead // 2:
                return
            self._ahead = min(self._most_ahead, max(2 * self._ahead, _FIRST_AHEAD))
            first, last = max(sent.stop, start), end + self._ahead
        else:
            self._ahead = 0
            if sent.start <= start and end <= sent.stop:
                return
            first, last = start - start % self._block, max(end, start + self._block)
        last = min(last, self.size)
        if last > first:
            self._sent = range(sent.start if goes_on else first, last)
            # Only a hint: what has come of an object that has changed can still be read.
            with contextlib.suppress(StaleError, BusyError):
                self.region.prefetch([(first, last - first)])


def _reopened(region: Region, block_size: int, position: int) -> RegionFile:
    file = RegionFile(region, block_size)
    file.seek(position)
    return file
