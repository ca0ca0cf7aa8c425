"""The exceptions, one for each of the C ABI's codes that a caller may want to tell apart."""

from __future__ import annotations

from typing import Any

from . import _r3map


class Error(Exception):
    """Whatever r3map could not do. Its text is one line: the operation, the object, the cause.

    ``code`` is the C ABI's number (``R3MAP_E…``), ``url`` what it happened to, or None: without its
    password, and over HTTP without its query, which may be a signature. Those that are an OSError as
    well have ``errno``, ``strerror`` and ``filename`` (the URL).
    """

    default_code = _r3map.EINTERNAL
    message: str
    code: int
    url: str | None

    def __init__(
        self, message: str = "", code: int | None = None, url: str | None = None
    ) -> None:
        self.message = message
        self.code = self.default_code if code is None else code
        self.url = url = (_r3map.shown_url(url) or None) if url else None
        if isinstance(self, OSError):
            super().__init__(_r3map.errno_of(self.code), message, url)
        else:
            super().__init__(message)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # OSError's own way would call us with (errno, strerror, filename).
        return type(self), (self.message, self.code, self.url)


class InvalidError(Error, ValueError):
    """An argument, URL or option that can't be right, or a region that is closed."""

    default_code = _r3map.EINVAL


class RangeError(Error, IndexError):
    """Past the end of the object."""

    default_code = _r3map.ERANGE


class NotFoundError(Error, FileNotFoundError):
    """No such object, bucket, file or host."""

    default_code = _r3map.ENOENT


class AccessError(Error, PermissionError):
    """Credentials or permissions."""

    default_code = _r3map.EACCES


class StoreError(Error, OSError):
    """The store failed."""

    default_code = _r3map.EIO


class DeadlineError(Error, TimeoutError):
    """The deadline passed, and nothing had come."""

    default_code = _r3map.ETIMEDOUT


class StaleError(Error, OSError):
    """The object is no longer the one that was opened: open it again."""

    default_code = _r3map.ESTALE


class NetworkError(Error, ConnectionError):
    """The server can't be reached, or hung up."""

    default_code = _r3map.ENETWORK


class ProtocolError(Error, OSError):
    """The server broke its protocol."""

    default_code = _r3map.EPROTO


class ReadOnlyError(Error, OSError):
    """The object can't be written."""

    default_code = _r3map.EROFS


class MemoryLimitError(Error, MemoryError):
    """Not enough memory, address space or budget."""

    default_code = _r3map.ENOMEM


class UnsupportedError(Error):
    """The store or the kernel can't do it."""

    default_code = _r3map.ENOTSUP


class CanceledError(Error):
    """The region was closed while the call was under way."""

    default_code = _r3map.ECANCELED


class BusyError(Error):
    """In use, or the store asks for patience."""

    default_code = _r3map.EBUSY


class ForkedError(Error):
    """The region was opened before fork(): a child process has to open its own."""

    default_code = _r3map.EFORKED


class InternalError(Error):
    """A mistake in r3map."""

    default_code = _r3map.EINTERNAL


_BY_CODE: dict[int, type[Error]] = {
    kind.default_code: kind
    for kind in Error.__subclasses__()
} | {_r3map.EBADF: InvalidError}


def from_code(code: int, message: str, url: str | None) -> Error:
    return _BY_CODE.get(code, InternalError)(message or _r3map.error_name(code), code, url)
