"""Objects without memory: how large they are, pieces of them, and copies into files."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from typing import IO, NamedTuple

from . import _arguments, _r3map
from ._arguments import OptionValue, Path
from ._progress import Progress, reporter


class Info(NamedTuple):
    """What `r3map.info` gives."""

    size: int
    """Of the object, in bytes."""
    version: str
    """What identifies the object's present version (an ETag, …); "" where the store has none."""


def _open(
    url: Path, storage_options: Mapping[str, OptionValue] | None, deadline: float | None
) -> _r3map.Resource:
    options = _r3map.Options(
        _arguments.texts(storage_options), deadline=_arguments.milliseconds(deadline)
    )
    return _r3map.Resource(*_arguments.names(url), options)


def info(
    url: Path,
    *,
    storage_options: Mapping[str, OptionValue] | None = None,
    deadline: float | None = None,
) -> Info:
    """An object's size and version, without mapping it. Arguments and errors as for `open`."""
    with contextlib.closing(_open(url, storage_options, deadline)) as resource:
        return Info(resource.size, resource.version())


def cat(
    url: Path,
    start: int | None = None,
    end: int | None = None,
    *,
    storage_options: Mapping[str, OptionValue] | None = None,
    deadline: float | None = None,
) -> bytes:
    """An object's bytes from `start` to `end`, which count as those of a slice do.

    Other arguments and errors as for `open`.
    """
    span = slice(
        None if start is None else _arguments.count("start", start),
        None if end is None else _arguments.count("end", end),
    )
    with contextlib.closing(_open(url, storage_options, deadline)) as resource:
        first, last, _ = span.indices(resource.size)
        return resource.read(first, max(0, last - first))


def copy(
    url: Path,
    path: Path,
    *,
    progress: Progress | None = None,
    storage_options: Mapping[str, OptionValue] | None = None,
    deadline: float | None = None,
) -> Info:
    """Copies an object into a file, which has its name when it is complete, or not at all.

    A file that is there is replaced. Other arguments and errors as for `open`, and OSError for what
    the file system refuses.
    """
    with contextlib.closing(_open(url, storage_options, deadline)) as resource:
        result = Info(resource.size, resource.version())
        report = reporter(progress, result.size)
        with _file(path, result.size) as file:
            done = 0

            def write(piece: memoryview) -> None:
                nonlocal done
                file.write(piece)
                done += len(piece)
                if report is not None:
                    report(done)

            resource.transfer(write)
    return result


@contextlib.contextmanager
def _file(path: Path, size: int) -> Iterator[IO[bytes]]:
    """A file that gets its name at the end of the block; devices and pipes are written directly."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        with open(path, "wb") as file:
            yield file
        return
    target = os.path.realpath(path)  # a link stays what it is
    folder, name = os.path.split(target)
    # In the same folder, so that it can be renamed; hidden, and short enough with the ending.
    temporary = os.path.join(folder, f".{name[:100]}.{os.urandom(4).hex()}")
    try:
        with open(temporary, "xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            if size > 0:
                _set_aside(file.fileno(), size)
            yield file
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _set_aside(descriptor: int, size: int) -> None:
    """So that a full disk is noticed first. File systems that can't are none the worse."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
