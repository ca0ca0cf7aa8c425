"""What goes over the wire: the object's bytes, a connection, a request as it came."""

import asyncio
import re
import socket
import struct
import urllib.parse

PERIOD = 1048573
MAX_HEADER = 256 << 10

_versions = {}


def content(offset, length, version=1):
    """At most PERIOD bytes of the object without copying them; fewer than `length` if it is more."""
    if not _versions:  # twice the period, so that a period from any start is contiguous
        _versions[1] = bytes((i * 2654435761 & 0xFFFFFFFF) >> 24 for i in range(PERIOD)) * 2
    if version not in _versions:
        shift = bytes((b + version - 1) & 255 for b in range(256))
        _versions[version] = _versions[1].translate(shift)
    start = offset % PERIOD
    return memoryview(_versions[version])[start:start + min(length, PERIOD)]


class Gone(Exception):
    """The client went away, or the scenario ended the connection."""


class Connection:
    def __init__(self, loop, sock, number, server):
        self.loop, self.sock, self.number, self.server = loop, sock, number, server
        self.buffer = bytearray()
        self.requests = 0
        self.head = False  # answering a HEAD request: headers only

    async def fill(self):
        data = await self.loop.sock_recv(self.sock, 65536)
        if not data:
            raise Gone
        self.buffer += data

    async def line_block(self):
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            if len(self.buffer) > MAX_HEADER:
                raise Gone
            await self.fill()
        block = bytes(self.buffer[:end])
        del self.buffer[:end + 4]
        return block

    async def skip(self, length):
        while length > 0:
            if not self.buffer:
                await self.fill()
            taken = min(length, len(self.buffer))
            del self.buffer[:taken]
            length -= taken

    async def send(self, data):
        await self.loop.sock_sendall(self.sock, data)

    async def send_for_ever(self, piece, times=1 << 40):
        """Until the client leaves; gives other connections their turn."""
        for _ in range(times):
            await self.send(piece)
            await asyncio.sleep(0.001)

    async def sleep(self, ms):
        """Waits, but no longer than the client does."""
        async def until_gone():
            while len(self.buffer) < MAX_HEADER:
                await self.fill()
            await asyncio.Event().wait()
        try:
            await asyncio.wait_for(until_gone(), ms / 1000)
        except (asyncio.TimeoutError, TimeoutError):
            pass

    def reset(self):
        # Linger 0 turns close() into a RST, whatever was sent before.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    async def reset_later(self):
        """A RST overtakes what the client has not read yet, so it gets a moment."""
        await asyncio.sleep(0.02)
        self.reset()


class Request:
    def __init__(self, block):
        lines = block.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        raw_path, _, query = self.target.partition("?")
        self.path = urllib.parse.unquote(raw_path)
        self.parameters = dict(p.split("=", 1) for p in self.path.split("/") if "=" in p)
        self.parameters |= dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.presets = {}  # its scenario's
        self.scenario = self.path.split("/")[1] if "/" in self.path else ""

    def text(self, name, default):
        return self.parameters.get(name, self.presets.get(name, default))

    def number(self, name, default):
        return int(self.text(name, default))

    def range(self, size):
        """(start, end) of a satisfiable range, None without one, False if unsatisfiable."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("range", ""))
        if not found or found[0] == "bytes=-":
            return None
        if not found[1]:
            start, end = max(0, size - int(found[2])), size
        else:
            start, end = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
        return (start, end) if start < end else False
