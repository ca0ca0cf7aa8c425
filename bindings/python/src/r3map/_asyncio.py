"""What `await` needs: one r3map queue for each event loop, whose descriptor the loop watches.

Thread: that of the loop, but for `Completions.of`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _r3map
from ._errors import from_code

if TYPE_CHECKING:
    from ._region import Region

# Of what has come, before the loop's other work has its turn.
_AT_ONCE = 256
# Of what `progress=` is told, in seconds.
_INTERVAL = 0.1


class _Operation:
    """One call that is under way; it is kept until its completion, whoever waits for it."""

    def __init__(
        self, future: asyncio.Future[int], url: str | None, undo: Callable[[int], None] | None
    ) -> None:
        self.future, self.url, self.undo = future, url, undo
        self.buffer: bytes | None = None  # of a read: borrowed until its end

    def end(self, value: int, code: int, message: str) -> None:
        if self.buffer is not None:
            _r3map.read_ended(self.buffer)
        # Nobody waits for what was cancelled, and nobody can where the loop is closed.
        if self.future.done() or self.future.get_loop().is_closed():
            if code == 0:
                self.unwanted(value)
        elif code == 0:
            self.future.set_result(value)
        else:
            self.future.set_exception(from_code(code, message, self.url))

    def unwanted(self, value: int) -> None:
        if self.undo is not None:
            self.undo(value)


class Completions:
    """Those of one event loop."""

    # They outlive their loop as long as something is under way: a read's buffer must.
    _all: set[Completions] = set()
    _lock = threading.Lock()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._queue = _r3map.Queue()
        self._operations: dict[int, _Operation] = {}
        self._last_tag = 0
        loop.add_reader(self._queue.descriptor(), self._take)

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Completions:
        with cls._lock:
            for there in list(cls._all):
                other = there._loop()
                if other is loop:
                    return there
                if other is None or other.is_closed():
                    there._take()
                    if not there._operations:
                        cls._all.discard(there)
            mine = cls(loop)
            cls._all.add(mine)
            return mine

    @classmethod
    def forget_all(cls) -> None:
        """In a child of fork(), whose parent's they are."""
        cls._all, cls._lock = set(), threading.Lock()

    async def run(
        self,
        start: Callable[[_r3map.Queue, int], bytes | None],
        url: str | None,
        undo: Callable[[int], None] | None = None,
    ) -> tuple[int, bytes | None]:
        """Starts an operation and waits for its value, and for the buffer that it fills."""
        self._last_tag += 1
        tag = self._last_tag
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        operation = self._operations[tag] = _Operation(future, url, undo)
        try:
            operation.buffer = start(self._queue, tag)
        except BaseException:
            del self._operations[tag]
            raise
        try:
            return await future, operation.buffer
        except BaseException:
            # Cancelled after it had ended, but before we were woken.
            if future.done() and not future.cancelled() and future.exception() is None:
                operation.unwanted(future.result())
            raise

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            completion = self._queue.take()
            if completion is None:
                break
            tag, value, code, message = completion
            if tag != 0:  # what nobody waits for
                self._operations.pop(tag).end(value, code, message)


os.register_at_fork(after_in_child=Completions.forget_all)


def completions() -> Completions:
    return Completions.of(asyncio.get_running_loop())


async def telling(
    call: Coroutine[Any, Any, object], measure: Callable[[], int], tell: Callable[[int], None]
) -> None:
    """Waits for a call, and tells meanwhile what `measure` finds. What `tell` raises ends the wait."""
    task = asyncio.ensure_future(call)
    loop = asyncio.get_running_loop()
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_INTERVAL)
            # On another thread, since it waits for its turn there.
            value = await loop.run_in_executor(None, measure)
            if not task.done():
                tell(value)
        task.result()
    finally:
        task.cancel()  # if it is still waited for; nothing otherwise


class Opening:
    """``region = await opening``, or ``async with opening as region``."""

    def __init__(self, start: Callable[[], Coroutine[Any, Any, Region]]) -> None:
        self._start = start
        self._region: Region | None = None

    def __await__(self) -> Generator[Any, None, Region]:
        return self._start().__await__()

    async def __aenter__(self) -> Region:
        self._region = await self
        return self._region

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._region is not None:
            await self._region.__aexit__(kind, error, trace)

    if not TYPE_CHECKING:  # what follows is for who has no type checker

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"no {name!r} yet: await it first, region = await open_async(…)")

        def __enter__(self) -> None:
            raise TypeError("write async with open_async(…), not with")

        def __exit__(self, *_: object) -> None:
            pass
