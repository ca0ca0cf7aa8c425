"""Objects without memory: how large they are, pieces of them, and copies into files."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from . import _arguments, _r3map
from ._arguments import OptionValue, Path
from ._errors import InvalidError
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
    """An object's bytes from `start` to `end`, which count as those of a slice: b"" past the end.

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

    path: a file, which is replaced if it is there, or a folder: the file is called as the object.
    Other arguments and errors as for `open`, and a plain OSError, with the path, for what the file
    system refuses.
    """
    with contextlib.closing(_open(url, storage_options, deadline)) as resource:
        result = Info(resource.size, resource.version())
        report = reporter(progress, result.size)
        if os.path.isdir(path):
            path = os.path.join(path, _file_name(_arguments.names(url)[1]))
        with _file(path, result.size) as write:
            done = 0

            def take(piece: memoryview) -> None:
                nonlocal done
                write(piece)
                done += len(piece)
                if report is not None:
                    report(done)

            resource.transfer(take)
    return result


def _file_name(url: str) -> str:
    """The last part of the URL's path."""
    shown = _r3map.shown_url(url)
    if url.startswith(("http:", "https:")):  # elsewhere ? and # are characters like others
        url = url.partition("?")[0].partition("#")[0]
    name = url.partition("://")[2] if "://" in url else url
    folder, found, name = name.rpartition("/")
    if ("://" in url and not found) or name in ("", ".", ".."):
        raise InvalidError(
            f"copy {shown}: the URL does not end in a name: say which file to write", url=url
        )
    return name


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """What the file system refuses, told of the path that was given."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), os.fspath(path)) from None


@contextlib.contextmanager
def _file(path: Path, size: int) -> Iterator[Callable[[memoryview], None]]:
    """Writes a file that gets its name at the end of the block; devices and pipes directly."""
    target = temporary = os.path.realpath(path)  # a link stays what it is
    with _named(path):
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            mode = None
        direct = mode is not None and not stat.S_ISREG(mode)
        if direct:
            file = open(path, "wb")
        else:
            folder, name = os.path.split(target)
            # In the same folder, so that it can be renamed; hidden, and short enough with the end.
            temporary = os.path.join(folder, f".{name[:100]}.{os.urandom(4).hex()}")
            file = open(temporary, "xb")

    def write(piece: memoryview) -> None:
        with _named(path):
            file.write(piece)

    try:
        with _named(path):
            if mode is not None and not direct:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            if size > 0 and not direct:
                _set_aside(file.fileno(), size)
        yield write
        with _named(path):
            file.close()
            if not direct:
                os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            file.close()
        if not direct:
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
