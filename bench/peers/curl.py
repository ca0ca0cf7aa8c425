"""The limit: libcurl's multi interface in a bare loop (scenario/curl_multi.cpp), four ranges at a
time, into memory that malloc has just given; or into memory that was written before."""

import ctypes
import pathlib

import numpy

from . import peer

PARALLEL, PIECE = 4, 8 << 20


class Peer(peer.Peer):
    def __init__(self, where, touched=False):
        super().__init__(where)
        self.touched = touched

    @classmethod
    def missing(cls):
        return None

    @classmethod
    def version(cls):
        library = ctypes.CDLL("libcurl.so.4")
        library.curl_version.restype = ctypes.c_char_p
        return peer.first_version(library.curl_version().decode().replace("/", " "))

    def prepare(self):
        library = pathlib.Path(self.where.programs) / "libr3map-bench-curl.so"
        self.fetch = ctypes.CDLL(str(library)).r3map_bench_curl_fetch
        self.fetch.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p,
                               ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
        # Not numpy.empty, which asks for huge pages.
        libc = ctypes.CDLL(None)
        libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        self.malloc = libc.malloc
        if self.touched:
            self.memory = self.malloc(self.where.size)
            ctypes.memset(self.memory, 1, self.where.size)

    def open(self):
        if not self.touched:
            self.memory = self.malloc(self.where.size)

    def array(self):
        plain = self.where.plain_url
        login = f"{self.where.access_key}:{self.where.secret_key}" if self.where.bucket else None
        if self.fetch(plain.encode(), login and login.encode(), self.where.region.encode(),
                      self.memory, self.where.size, PIECE, PARALLEL):
            raise SystemExit("the bare loop failed")
        memory = (ctypes.c_char * self.where.size).from_address(self.memory)
        return numpy.frombuffer(memory, numpy.float32)
