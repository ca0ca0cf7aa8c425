"""What `progress=` takes: a bar as tqdm's, or a function.

r3map's threads never call it: the calling thread does, between two waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Bar(Protocol):
    """tqdm, or another object with ``update(n)``, n being the bytes that have come since."""

    def update(self, n: int, /) -> object: ...


Progress = Bar | Callable[[int, int | None], object]


def reporter(progress: Progress | None, total: int | None) -> Callable[[int], None] | None:
    """A function of the bytes done so far.

    A bar stays its owner's: its `total` is set if it has none yet, and it is not closed, so that
    one bar can tell of several calls.
    """
    if progress is None:
        return None
    if isinstance(progress, type):
        raise TypeError(
            f"progress: an object, not the class: {progress.__name__}(unit='B', unit_scale=True)"
        )
    if isinstance(progress, Bar):
        bar: Any = progress
        if total is not None and getattr(bar, "total", total) is None:
            bar.total = total
        last = 0

        def update(done: int) -> None:
            nonlocal last
            if done > last:
                bar.update(done - last)
                last = done

        return update
    if not callable(progress):
        raise TypeError(
            "progress: a bar with update(n) as tqdm's, or a function (done, total), "
            f"not {type(progress).__name__}"
        )
    call = progress

    def tell(done: int) -> None:
        call(done, total)

    return tell
