"""fsspec's protocol `r3map`: files whose bytes are regions, chained over another file system.

    fsspec.open("r3map::s3://bucket/key", s3={…as for s3fs…}, r3map={"budget": "1G"})
    fsspec.open("r3map://s3://bucket/key", storage_options={…})     # without s3fs

Names, listings and sizes come from the other file system if it is installed, and those of single
objects from r3map otherwise. Bytes come from r3map.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import fsspec
from fsspec.implementations.chained import ChainedFileSystem

from . import _objects, _region, _s3fs
from ._errors import Error, InvalidError, ReadOnlyError
from ._file import RegionFile
from ._region import Region

# How r3map calls the protocols that it can read. (fsspec's "memory" is something else.)
_SCHEMES = {"s3": "s3", "s3a": "s3", "http": "http", "https": "https", "file": "file",
            "local": "file"}
_OPEN_OPTIONS = frozenset(_region.OpenOptions.__annotations__)
# What file systems take that has nothing to do with the bytes.
_IGNORED = frozenset({
    "asynchronous", "loop", "skip_instance_cache", "use_listings_cache", "listings_expiry_time",
    "max_paths", "batch_size", "default_block_size", "default_cache_type", "default_fill_cache",
    "block_size", "cache_type", "cache_options", "cache_regions", "fill_cache", "auto_mkdir",
    "max_concurrency", "size", "autocommit"})

_OPENS = 16  # at a time, where many objects are read at once


def _refusing(operation: str) -> Callable[..., NoReturn]:
    def refuse(_self: Any, path: Any = "", *_: Any, **__: Any) -> NoReturn:
        name = ", ".join(map(str, path)) if isinstance(path, (list, dict)) else str(path)
        raise ReadOnlyError(f"{operation} {name}: r3map only reads", url=name)

    return refuse


class FileSystem(ChainedFileSystem):  # type: ignore[misc]
    """Read-only. Arguments beside `target_…` are those of `r3map.open`, for every file.

    target_protocol, target_options: of the file system below; its options are translated to those
        of r3map's backend, and `storage_options` are added to them.
    """

    protocol = "r3map"
    root_marker = ""
    _strip_tokenize_options = ("fo",)

    def __init__(
        self,
        target_protocol: str | None = None,
        target_options: dict[str, Any] | None = None,
        fo: str | None = None,
        **options: Any,
    ) -> None:
        if unknown := sorted(set(options) - _OPEN_OPTIONS - _IGNORED):
            raise InvalidError(f"r3map has no option {', '.join(unknown)}: only those of "
                               f"r3map.open; {_where(target_protocol, unknown)}")
        super().__init__(**{name: options[name] for name in set(options) & _IGNORED})
        self.target_protocol = target_protocol
        self.target_options = target_options or {}
        self.open_options = {name: options[name] for name in set(options) & _OPEN_OPTIONS}
        if target_protocol is not None:
            _scheme(target_protocol)

    # ---- names and listings

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        path = fsspec.utils.stringify_path(path)
        for start in ("r3map::", "r3map://"):
            path = path.removeprefix(start)
        return path

    def _below(self, path: str) -> tuple[Any, str]:
        """The file system that knows `path`, or None, and what it calls it."""
        scheme, found, _ = path.partition("://")
        protocol = self.target_protocol or (scheme if found else "file")
        options = self.target_options
        if self._is_s3():
            options = _s3fs.with_scheme(options)
        if self.target_protocol is None:
            options = dict(self._storage_options())
            if "region" in options:  # the one name that s3fs has not
                options["client_kwargs"] = {"region_name": options.pop("region"),
                                            **options.get("client_kwargs", {})}
        try:
            below = fsspec.filesystem(protocol, **options)
        except ImportError:  # s3fs, aiohttp
            return None, path
        return below, below._strip_protocol(path)

    def _named(self, below: Any, name: str) -> str:
        # As they were asked for: with their protocol, unless it is known.
        return name if self.target_protocol else below.unstrip_protocol(name)

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        below, name = self._below(path)
        if below is None:
            info = _objects.info(self.url(path), **self._store_options(path))
            return {"name": path, "size": info.size, "type": "file", "version": info.version}
        result = dict(below.info(name, **kwargs))
        return result | {"name": self._named(below, result["name"])}

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        path = self._strip_protocol(path)
        below, name = self._below(path)
        if below is None:
            found = [self.info(path)]
        else:
            found = [entry | {"name": self._named(below, entry["name"])}
                     for entry in below.ls(name, detail=True, **kwargs)]
        return found if detail else [entry["name"] for entry in found]

    def modified(self, path: str) -> Any:
        below, name = self._below(self._strip_protocol(path))
        if below is None:
            raise NotImplementedError
        return below.modified(name)

    # ---- bytes

    def url(self, path: str) -> str:
        """What r3map opens for a path."""
        path, _ = self._versioned(self._strip_protocol(path))
        scheme, found, rest = path.partition("://")
        if found:
            return f"{_scheme(scheme)}://{rest}"
        protocol = _scheme(self.target_protocol or "file")
        return path if protocol == "file" else f"{protocol}://{path}"

    def _is_s3(self) -> bool:
        return _SCHEMES.get(self.target_protocol or "") == "s3"

    def _versioned(self, path: str) -> tuple[str, str]:
        """A path, and the version that it names, as s3fs has it where it is `version_aware`."""
        if self._is_s3() and self.target_options.get("version_aware"):
            path, _, version = path.partition("?versionId=")
            return path, version
        return path, ""

    def _storage_options(self, more: Any = None) -> dict[str, Any]:
        below = {name: value for name, value in self.target_options.items()
                 if name not in _IGNORED}
        own = (self.open_options.get("storage_options") or {}) | (more or {})
        if self._is_s3():
            return _s3fs.translated(below) | _s3fs.translated(own)
        return below | own

    def _of(self, path: str, more: Any = None) -> dict[str, Any]:
        """The options of a path's object."""
        _, version = self._versioned(path)
        return self._storage_options(more) | ({"version_id": version} if version else {})

    def _store_options(self, path: str) -> dict[str, Any]:
        options: dict[str, Any] = {"storage_options": self._of(path)}
        if "deadline" in self.open_options:
            options["deadline"] = self.open_options["deadline"]
        return options

    def region(self, path: str, **options: Any) -> Region:
        """The object in memory. Options as for `r3map.open`, over those of the file system."""
        given = self.open_options | options
        given["storage_options"] = self._of(path, options.get("storage_options"))
        return _region.open(self.url(path), **given)

    def _open(
        self, path: str, mode: str = "rb", block_size: int | None = None, **kwargs: Any
    ) -> OpenFile:
        if mode != "rb":
            raise ReadOnlyError(f"open {path}: mode {mode!r}: r3map only reads", url=path)
        if unknown := set(kwargs) - _OPEN_OPTIONS - _IGNORED:
            raise InvalidError(f"open {path}: r3map has no option {', '.join(sorted(unknown))}")
        options = {name: kwargs[name] for name in set(kwargs) & _OPEN_OPTIONS}
        block = block_size if isinstance(block_size, int) else None
        return OpenFile(self, path, self.region(path, **options), block)

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        return _objects.cat(self.url(path), start, end, **self._store_options(path))

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        """All ranges of an object are under way at once, and those of many objects, too."""
        count = len(paths)
        starts = list(starts) if isinstance(starts, Iterable) else [starts] * count
        ends = list(ends) if isinstance(ends, Iterable) else [ends] * count
        if not len(starts) == len(ends) == count:
            raise ValueError(f"{count} paths, {len(starts)} starts, {len(ends)} ends")
        of_object: dict[str, list[int]] = defaultdict(list)
        for number, path in enumerate(paths):
            of_object[path].append(number)
        results: list[Any] = [None] * count

        def read(path: str) -> None:
            numbers = of_object[path]
            try:
                pieces = self._pieces(path, [(starts[n], ends[n]) for n in numbers])
            except Error as error:
                if on_error != "return":
                    raise
                pieces = [error] * len(numbers)
            for number, piece in zip(numbers, pieces):
                results[number] = piece

        _all_at_once(read, list(of_object))
        return results

    def _pieces(self, path: str, spans: list[tuple[int | None, int | None]]) -> list[Any]:
        if len(spans) == 1:
            return [self.cat_file(path, *spans[0])]
        with self.region(path, pull="none") as region:
            slices = [slice(*slice(*span).indices(region.size)) for span in spans]
            region.prefetch((s.start, max(0, s.stop - s.start)) for s in slices)
            return [region[s] for s in slices]

    def cat(
        self, path: Any, recursive: bool = False, on_error: str = "raise", **kwargs: Any
    ) -> Any:
        paths = self.expand_path(path, recursive=recursive)
        if isinstance(path, str) and paths == [self._strip_protocol(path)]:
            return self.cat_file(paths[0], **kwargs)
        pieces = self.cat_ranges(paths, None, None,
                                 on_error="raise" if on_error == "raise" else "return")
        found = zip(paths, pieces)
        return {name: piece for name, piece in found
                if on_error != "omit" or not isinstance(piece, Error)}

    def get_file(self, rpath: str, lpath: Any, **kwargs: Any) -> None:
        if hasattr(lpath, "write"):
            lpath.write(self.cat_file(rpath))
        else:
            _objects.copy(self.url(rpath), lpath, **self._store_options(rpath))

    # ---- what would write; fsspec's other methods that do are made of these

    rm = _refusing("rm")
    rm_file = _refusing("rm_file")
    _rm = _refusing("rm")
    rmdir = _refusing("rmdir")
    mkdir = _refusing("mkdir")
    makedirs = _refusing("write to")  # fsspec.open(…, "w") begins with it
    touch = _refusing("touch")
    cp_file = _refusing("cp_file")
    copy = _refusing("copy")
    mv = _refusing("mv")
    put_file = _refusing("put_file")
    put = _refusing("put")
    pipe_file = _refusing("pipe_file")
    pipe = _refusing("pipe")


def _where(protocol: str | None, options: list[str]) -> str:
    """Where options belong that may be the store's."""
    inner = ", ".join(f'"{name}": …' for name in options)
    if protocol is None:
        return f'for the store write storage_options={{{inner}}}'
    return f'for {protocol}:// write {{"{protocol}": {{{inner}}}}}'


def _scheme(protocol: str) -> str:
    if protocol not in _SCHEMES:
        raise InvalidError(
            f"r3map can't read {protocol}://, only {', '.join(f'{name}://' for name in _SCHEMES)}"
        )
    return _SCHEMES[protocol]


def _all_at_once(read: Callable[[str], None], paths: list[str]) -> None:
    if len(paths) <= 1:  # needs no threads
        for path in paths:
            read(path)
        return
    with ThreadPoolExecutor(min(_OPENS, len(paths))) as pool:
        for _ in pool.map(read, paths):
            pass


class OpenFile(RegionFile):
    """A file of the file system. Its region is its own, and let go with it."""

    def __init__(self, fs: FileSystem, path: str, region: Region, block_size: int | None) -> None:
        super().__init__(region, block_size)
        self.fs, self.path, self.name = fs, path, path

    def close(self) -> None:
        if not self.closed:
            self.region._let_go()
        super().close()

    def __reduce__(self) -> tuple[Any, ...]:
        self._check()
        return _reopened, (self.fs, self.path, self.region, self._block, self._at)


def _reopened(
    fs: FileSystem, path: str, region: Region, block_size: int, position: int
) -> OpenFile:
    file = OpenFile(fs, path, region, block_size)
    file.seek(position)
    return file
