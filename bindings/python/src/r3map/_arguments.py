"""What users pass, as the extension takes it: URLs, options, sizes, times, ranges."""

from __future__ import annotations

import array
import math
import operator
import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Union

from ._errors import InvalidError

if TYPE_CHECKING:
    import numpy
    import numpy.typing

OptionValue = str | int | float | bool | None | Mapping[str, str | bool | None]
Path = str | os.PathLike[str]
Size = int | float | str
Ranges = Union[Iterable[tuple[int, int]], "numpy.typing.NDArray[numpy.integer[Any]]"]


def wrong_type(name: str, wanted: str, given: object) -> TypeError:
    return TypeError(f"{name}: {wanted}, not {type(given).__name__}")


def names(url: Path) -> tuple[bytes, str]:
    """The URL for the C ABI, and for people."""
    # A path object is a path even if it looks like a URL.
    if isinstance(url, str):
        # A relative path means the same later, and in another process, only if it is one no more.
        text = os.path.abspath(url) if url.startswith(".") else url
        if ":" not in url and not url.startswith((".", "/")) and os.path.exists(url):
            raise InvalidError(f"{url!r} is no URL: for the file write './{url}'", url=url)
    elif isinstance(url, os.PathLike):
        text = os.path.abspath(os.fspath(url))
    else:
        raise wrong_type("url", "a str or a path", url)
    return terminated(os.fsencode(text), "URL"), text


def path(name: str, value: Path | None) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)):
        raise wrong_type(name, "a path", value)
    return terminated(os.fsencode(os.path.abspath(value)), name)


def terminated(text: bytes, what: str) -> bytes:
    if b"\0" in text:
        raise InvalidError(f"{what} with a zero byte")
    return text


# What s3fs passes on to botocore, and r3map's names for it.
CLIENT_KWARGS = {
    "endpoint_url": "endpoint_url",
    "region_name": "region",
    "aws_access_key_id": "key",
    "aws_secret_access_key": "secret",
    "aws_session_token": "token",
}

# Names that are near at hand, and none of r3map's.
_MEANT = {other: name for other, name in CLIENT_KWARGS.items() if other != name} | {
    "endpoint": "endpoint_url", "username": "key", "password": "secret",
    "access_key": "key", "access_key_id": "key",
    "secret_key": "secret", "secret_access_key": "secret", "session_token": "token"}
# Other libraries' names that no single one of r3map's stands for.
_INSTEAD = {
    "headers": "write each as 'header.NAME', as {'header.X-Api-Key': …}",
    "use_ssl": "let endpoint_url begin with https:// or http://",
}


def verified(value: bool | Path) -> dict[str, bool | str]:
    """botocore's verify: whether certificates are, or by which."""
    if isinstance(value, bool):
        return {"verify": value}
    if not isinstance(value, (str, os.PathLike)):
        raise wrong_type("verify", "True, False or a file of certificates", value)
    return {"ca_bundle": os.path.abspath(value)}


def texts(options: Mapping[str, OptionValue] | None) -> dict[bytes, bytes]:
    """Backend options as text."""
    if options is not None and not isinstance(options, Mapping):
        raise wrong_type("storage_options", "a dict or None", options)
    given = dict(options or {})
    nested: Any = given.pop("client_kwargs", None) or {}
    for name, value in nested.items():
        if name in CLIENT_KWARGS:
            given.setdefault(CLIENT_KWARGS[name], value)
        elif name == "verify" and value is not None:
            for own, setting in verified(value).items():
                given.setdefault(own, setting)
        elif name in _INSTEAD:
            raise InvalidError(f"client_kwargs: no {name!r}: {_INSTEAD[name]}")
        elif name != "verify":
            known = ", ".join([*CLIENT_KWARGS, "verify"])
            raise InvalidError(f"client_kwargs: {name!r} is none of {known}")
    result = {}
    for name, value in given.items():
        if value is None:
            continue
        if name in _MEANT:
            raise InvalidError(f"no storage option {name!r}: did you mean {_MEANT[name]!r}, of s3?")
        if name in _INSTEAD:
            raise InvalidError(f"no storage option {name!r}: {_INSTEAD[name]}")
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, (str, int, float)):
            text = str(value)
        else:
            raise InvalidError(f"storage option {name!r} is a {type(value).__name__}, not text")
        result[terminated(name.encode(), "option name")] = terminated(
            text.encode(), f"storage option {name!r}"
        )
    return result


def milliseconds(deadline: float | None) -> int | None:
    if deadline is None:
        return None
    try:
        seconds = operator.index(deadline) if hasattr(deadline, "__index__") else float(deadline)
        if isinstance(deadline, (str, bytes)):
            raise TypeError
    except (TypeError, ValueError):
        raise wrong_type("deadline", "a number of seconds or None", deadline) from None
    if not seconds >= 0:  # nor NaN
        raise InvalidError(f"deadline {deadline} is no number of seconds")
    # Not rounded to 0, which means for ever, as does what no clock can count.
    return 0 if seconds > 1e12 else math.ceil(seconds * 1000)


_SIZE = re.compile(r"\s*([0-9]+)\s*(?:([KMGT])(?:I?B)?|B)?\s*", re.IGNORECASE | re.ASCII)
_UNITS = {None: 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size(name: str, value: Size | None) -> int | None:
    """4096, "4096", "512M", "1GiB", "512 mb", 1.5e9."""
    if value is None:
        return None
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match is None:
            raise InvalidError(f"{name} {value!r} is no size: write 4096, '512M' or '1GiB'")
        number = int(match[1]) * _UNITS[match[2] and match[2].upper()]
    elif hasattr(value, "__index__"):
        number = operator.index(value)
    elif isinstance(value, float):
        if not value.is_integer():
            raise InvalidError(f"{name} {value!r} is no whole number of bytes")
        number = int(value)
    else:
        raise wrong_type(name, "a number of bytes, text such as '512M', or None", value)
    if not 0 <= number < 1 << 63:
        raise InvalidError(f"{name} {value!r} can't be")
    return number


def count(name: str, value: int) -> int:
    """An offset or length."""
    try:
        return operator.index(value)
    except TypeError:
        raise wrong_type(name, "an integer number of bytes", value) from None


def fetch_limits(value: tuple[int, Size] | None) -> tuple[int, int] | None:
    if value is None:
        return None
    try:
        requests, most = value
    except (TypeError, ValueError):
        raise TypeError(f"fetch_limits: a pair (requests, bytes), not {value!r}") from None
    return size("fetch_limits", requests) or 0, size("fetch_limits", most) or 0


def pairs(ranges: Ranges, name: str = "ranges") -> Any:
    """Ranges as a buffer of uint64: offset, length, offset, …"""
    shape = getattr(ranges, "shape", None)
    if shape is not None:  # NumPy's, or another that NumPy understands
        import numpy

        given = numpy.asarray(ranges)
        if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iu":
            raise InvalidError(f"{name} of shape {shape}, {given.dtype}: not (n, 2) integers")
        if given.dtype.kind == "i" and given.size and given.min() < 0:
            raise InvalidError(f"{name} with a negative offset or length")
        return numpy.ascontiguousarray(given, numpy.uint64).reshape(-1)
    if isinstance(ranges, (str, bytes)) or not isinstance(ranges, Iterable):
        raise wrong_type(name, "pairs (offset, length)", ranges)
    result = array.array("Q")
    for pair in ranges:
        try:
            offset, length = pair
        except TypeError:
            raise TypeError(f"{name}: pairs (offset, length), not {pair!r}") from None
        except ValueError:
            raise InvalidError(f"{name}: pairs (offset, length), not {pair!r}") from None
        try:
            result.extend((count(f"{name}: offset", offset), count(f"{name}: length", length)))
        except OverflowError:
            raise InvalidError(
                f"{name} with a negative or too large offset or length: {pair!r}"
            ) from None
    return result
