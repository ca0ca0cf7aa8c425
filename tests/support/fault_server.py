#!/usr/bin/env python3
"""An HTTP/1.1 server that lies, stalls, truncates, drips and resets, for tests of clients.

    python3 tests/support/fault_server.py [--port 0] [--size N]

prints `listening PORT` and serves on 127.0.0.1 until SIGTERM or until its stdin (a pipe) closes.

    GET /<scenario>/<anything>?name=value&…      also /<scenario>/name=value/<anything>
    GET /stats[?path=/…]                         JSON: what was asked, connections accepted
    POST /reset                                  forgets counters and statistics
    POST /control?reset_accepts=K                the next K connections are reset when accepted

Parameters may stand in the path, because an s3:// URL has no query. With `s3://<scenario>/size=10/x`
every scenario is a bucket.

The object. Byte i is the high byte of (i mod 1048573) * 2654435761 mod 2^32. The prime period
makes every shift of less than a period visible, and lets objects of any size be served from one
buffer. In version v (see `etag-changes`) v - 1 is added to each byte, mod 256.

Parameters of every scenario:
    size=N            the object's size (--size, else 1 MiB)
    after=A           the first A requests to this path are answered well (default 0)
    times=K           then K requests misbehave, and what follows is answered well (default: all do)
    every=E           of these only each E-th misbehaves (default 1)
    at=OFFSET         only requests whose range holds this byte count and misbehave
    count=get|all     whether HEAD counts for the above (all); scenarios marked B count GETs only
The state is kept by path without the query: a test that takes a path of its own is alone.
The scenarios and their own parameters: `--list`, or read the functions below.
"""

import argparse
import asyncio
import collections
import inspect
import json
import os
import signal
import socket
import stat
import struct
import sys
import traceback
import urllib.parse

PERIOD = 1048573
PIECE = 256 << 10
MAX_HEADER = 256 << 10
MAX_LOGGED = 20000
HOUR = 3_600_000  # ms: "for ever" for a test
MODIFIED = ("Wed, 01 Jan 2025 00:00:00 GMT", "Thu, 02 Jan 2025 00:00:00 GMT")
REASONS = {200: "OK", 206: "Partial Content", 302: "Found", 304: "Not Modified", 403: "Forbidden",
           404: "Not Found", 405: "Method Not Allowed", 412: "Precondition Failed",
           416: "Range Not Satisfiable", 429: "Too Many Requests", 500: "Internal Server Error",
           503: "Service Unavailable"}

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
    def __init__(self, loop, sock, number):
        self.loop, self.sock, self.number = loop, sock, number
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
        self.scenario = self.path.split("/")[1] if "/" in self.path else ""

    def number(self, name, default):
        return int(self.parameters.get(name, default))

    def text(self, name, default):
        return self.parameters.get(name, default)

    def range(self, size):
        """(start, end) of a satisfiable range, None without one, False if unsatisfiable."""
        value = self.headers.get("range", "")
        if not value.startswith("bytes=") or "," in value:
            return None
        first, _, last = value[6:].partition("-")
        try:
            if first == "":
                start, end = max(0, size - int(last)), size
            else:
                start, end = int(first), min(size, int(last) + 1 if last else size)
        except ValueError:
            return None
        return (start, end) if start < end else False


class Reply:
    """A correct answer, which scenarios then spoil before it is sent."""

    def __init__(self, status, headers=(), start=0, length=0, version=1, body=None):
        self.status, self.start, self.length, self.version = status, start, length, version
        self.protocol = "HTTP/1.1"
        self.headers = dict(headers)
        self.body = body  # literal bytes instead of the object's
        if body is not None:
            self.length = len(body)
        self.headers.setdefault("Content-Length", str(self.length))

    def header_bytes(self):
        lines = [f"{self.protocol} {self.status} {REASONS.get(self.status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items() if value is not None]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def send_headers(self, connection):
        await connection.send(self.header_bytes())

    async def send_body(self, connection, start=0, end=None, wrap=lambda piece: piece):
        end = self.length if end is None else end
        while start < end and not connection.head:
            if self.body is not None:
                piece = self.body[start:end]
            else:
                piece = content(self.start + start, min(PIECE, end - start), self.version)
            await connection.send(wrap(piece))
            start += len(piece)

    async def send(self, connection):
        await self.send_headers(connection)
        await self.send_body(connection)
        if self.headers.get("Connection") == "close":
            raise Gone


def good(request, *, etag='"v{version}-{size}"', modified=True, ranges=True, conditions=True,
         version=1, size=None):
    """What an honest server answers."""
    if request.method not in ("GET", "HEAD"):
        return Reply(405, {"Allow": "GET, HEAD"})
    size = request.number("size", Server.default_size) if size is None else size
    etag = etag and etag.format(version=version, size=size)
    date = MODIFIED[min(version, 2) - 1]
    headers = {"Content-Type": "application/octet-stream",
               "Accept-Ranges": "bytes" if ranges else "none"}
    if etag:
        headers["ETag"] = etag
    if modified:
        headers["Last-Modified"] = date

    if conditions:
        asked = request.headers
        tags = [t.strip() for t in asked.get("if-match", "").split(",")]
        # If-Match compares strongly: a weak tag never matches (RFC 9110, 13.1.1).
        strong = etag if etag and not etag.startswith("W/") else None
        if "if-match" in asked and "*" not in tags and strong not in tags:
            return Reply(412, headers)
        if modified and "if-match" not in asked and asked.get("if-unmodified-since", date) != date:
            return Reply(412, headers)
        if etag and asked.get("if-none-match") == etag:
            return Reply(304, headers)
        if "if-range" in asked and asked["if-range"] not in (strong, date if modified else None):
            ranges = False

    span = request.range(size) if ranges else None
    if span is False:
        return Reply(416, headers | {"Content-Range": f"bytes */{size}"})
    if span is None:
        return Reply(200, headers, 0, size, version)
    headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{size}"
    return Reply(206, headers, span[0], span[1] - span[0], version)


# ---------------------------------------------------------------- scenarios
# async def name(connection, request, reply): `reply` is the honest answer, not yet sent.

SCENARIOS = {}


def scenario(*names, count="all", **defaults):
    """Registers under `names`; defaults for the common parameters, e.g. after=1."""
    def register(function):
        for name in names:
            SCENARIOS[name] = (function, {"count": count} | defaults)
        return function
    return register


# Validators and conditions

@scenario("ok")
async def ok(c, request, reply):
    """Honest: ranges, strong ETag, Last-Modified, conditions, keep-alive."""
    await reply.send(c)


@scenario("last-modified-only")
async def last_modified_only(c, request, reply):
    """No ETag; If-Unmodified-Since is honoured."""
    await good(request, etag=None).send(c)


@scenario("weak-etag")
async def weak_etag(c, request, reply):
    """W/"…": If-Match with it never matches."""
    await good(request, etag='W/"v{version}-{size}"').send(c)


@scenario("no-validator")
async def no_validator(c, request, reply):
    """Neither ETag nor Last-Modified."""
    await good(request, etag=None, modified=False).send(c)


@scenario("no-ranges")
async def no_ranges(c, request, reply):
    """200 with everything, whatever range is asked."""
    await good(request, ranges=False).send(c)


@scenario("head-forbidden")
async def head_forbidden(c, request, reply):
    """HEAD: 403 (status=); GET is honest."""
    if request.method == "HEAD":
        reply = Reply(request.number("status", 403))
    await reply.send(c)


@scenario("etag-changes", after=1)
async def etag_changes(c, request, reply):
    """Content and ETag of version 2 from request after+1 (2) on; If-Match gives 412."""
    await good(request, version=2).send(c)


@scenario("etag-changes-ignoring-if-match", after=1)
async def etag_changes_ignoring(c, request, reply):
    """As etag-changes, but conditions are ignored: 206 with the new ETag and content."""
    await good(request, version=2, conditions=False).send(c)


@scenario("last-modified-changes", after=1)
async def last_modified_changes(c, request, reply):
    """No ETag, a new date and content, conditions ignored."""
    await good(request, version=2, etag=None, conditions=False).send(c)


@scenario("vanishes", after=1)
async def vanishes(c, request, reply):
    """404 from request after+1 (2) on."""
    await Reply(404, body=b"gone\n").send(c)


@scenario("empty")
async def empty(c, request, reply):
    """Size 0: a range gives 416 with `bytes */0`."""
    await good(request, size=0).send(c)


@scenario("empty-200")
async def empty_200(c, request, reply):
    """Size 0: a range gives 200 with length 0."""
    await good(request, size=0, ranges=False).send(c)


# Refusals

@scenario("status", "403", "404", "500", "502", "503", "429")
async def status(c, request, reply):
    """That status (/status/: code=), with retry_after= and body= if given."""
    name = request.scenario
    code = request.number("code", 500) if name == "status" else int(name)
    headers = {"Content-Type": "text/plain"}
    if "retry_after" in request.parameters:
        headers["Retry-After"] = request.text("retry_after", "")
    await Reply(code, headers, body=request.text("body", f"fault {code}\n").encode()).send(c)


@scenario("forbidden")
async def forbidden(c, request, reply):
    """403 with a short text."""
    await Reply(403, body=b"forbidden\n").send(c)


@scenario("s3-error", "forbidden-xml", "no-such-key")
async def s3_error(c, request, reply):
    """S3's XML: AccessDenied (403), NoSuchKey (404); /s3-error/: status=, code=, message=."""
    known = {"forbidden-xml": (403, "AccessDenied", "Access Denied."),
             "no-such-key": (404, "NoSuchKey", "The specified key does not exist.")}
    code, name, message = known.get(request.scenario, (
        request.number("status", 400), request.text("code", "ExpiredToken"),
        request.text("message", "The provided token has expired.")))
    body = (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{name}</Code>'
            f"<Message>{message}</Message><Resource>{request.path}</Resource>"
            "<RequestId>R3MAP</RequestId></Error>").encode()
    await Reply(code, {"Content-Type": "application/xml"}, body=body).send(c)


@scenario("redirect")
async def redirect(c, request, reply):
    """302 (code=) to to= (default: the same path under /ok/)."""
    rest = request.target.split("/", 2)[2]
    to = request.text("to", "/ok/" + rest)
    await Reply(request.number("code", 302), {"Location": to}, body=b"elsewhere\n").send(c)


@scenario("redirect-loop")
async def redirect_loop(c, request, reply):
    """302 to itself."""
    await Reply(302, {"Location": request.target}).send(c)


@scenario("headers")
async def headers(c, request, reply):
    """400 if a field of without= (a,b) has come, or one of with= (a,b) has not; else honest."""
    def named(parameter):
        return [name for name in request.text(parameter, "").split(",") if name]
    bad = [name for name in named("without") if name in request.headers]
    bad += [name for name in named("with") if name not in request.headers]
    await (Reply(400, body=f"{bad}\n".encode()) if bad else reply).send(c)


@scenario("s3-region")
async def s3_region(c, request, reply):
    """Another region than region= was signed for: status= (301), code=, named by
    hint= (header, body or endpoint)."""
    region, hint = request.text("region", "eu-west-1"), request.text("hint", "body")
    if f"/{region}/s3/aws4_request" in request.headers.get("authorization", ""):
        return await reply.send(c)
    named = {"body": f"<Region>{region}</Region>",
             "endpoint": f"<Endpoint>b.s3.{region}.amazonaws.com</Endpoint>"}.get(hint, "")
    answer = Reply(request.number("status", 301), {"Location": "http://127.0.0.1:1/"}, body=(
        f"<Error><Code>{request.text('code', 'PermanentRedirect')}</Code>{named}"
        "<RequestId>R3MAP</RequestId></Error>").encode())
    if hint == "header":
        answer.headers["x-amz-bucket-region"] = region
    await answer.send(c)


# Ranges that are not what was asked

@scenario("wrong-content-range", "same-etag-wrong-content-range")
async def wrong_content_range(c, request, reply):
    """Another range than asked, honestly labelled: shifted by by= (1) bytes; same ETag."""
    if reply.status == 206:
        by, size = request.number("by", 1), request.number("size", Server.default_size)
        reply.start += by
        last = reply.start + reply.length - 1
        reply.headers["Content-Range"] = f"bytes {reply.start}-{last}/{size}"
    await reply.send(c)


@scenario("content-range")
async def content_range(c, request, reply):
    """Content-Range is value=, or missing; the data is right."""
    if reply.status == 206:
        reply.headers["Content-Range"] = request.text("value", None)
    await reply.send(c)


@scenario("wrong-total-in-content-range", after=1)
async def wrong_total(c, request, reply):
    """The total shrinks to total= (half) from request after+1 (2) on; same ETag."""
    size = request.number("size", Server.default_size)
    if reply.status == 206:
        span = reply.headers["Content-Range"].rpartition("/")[0]
        reply.headers["Content-Range"] = f"{span}/{request.number('total', size // 2)}"
    await reply.send(c)


@scenario("partial-as-200")
async def partial_as_200(c, request, reply):
    """200 without Content-Range, but only the asked bytes."""
    if reply.status == 206:
        reply.status = 200
        del reply.headers["Content-Range"]
    await reply.send(c)


@scenario("multipart")
async def multipart(c, request, reply):
    """206 as multipart/byteranges, which no one asked for."""
    if reply.status == 206:
        part = (f"--r3map\r\nContent-Range: {reply.headers.pop('Content-Range')}\r\n\r\n").encode()
        data = b"".join(content(o, min(PIECE, reply.start + reply.length - o))
                        for o in range(reply.start, reply.start + reply.length, PIECE))
        reply = Reply(206, {"Content-Type": "multipart/byteranges; boundary=r3map"},
                      body=part + data + b"\r\n--r3map--\r\n")
    await reply.send(c)


# Lengths that lie

@scenario("truncate-always", count="get")
async def truncate(c, request, reply):
    """B The body ends with the connection after n= bytes (half)."""
    await reply.send_headers(c)
    await reply.send_body(c, 0, min(reply.length, request.number("n", reply.length // 2)))
    raise Gone

SCENARIOS["truncate-sometimes"] = (truncate, {"count": "get", "every": 2})


@scenario("long-content-length", count="get")
async def long_content_length(c, request, reply):
    """B Content-Length and body are by= (100) bytes longer than the range."""
    reply.length += request.number("by", 100)
    reply.headers["Content-Length"] = str(reply.length)
    await reply.send(c)


@scenario("content-length-lies-short", count="get")
async def short_content_length(c, request, reply):
    """B Content-Length is by= (100) bytes too short, and so is the body; all=1: the body is not."""
    short = max(0, reply.length - request.number("by", 100))
    reply.headers["Content-Length"] = str(short)
    await reply.send_headers(c)
    await reply.send_body(c, 0, reply.length if request.number("all", 0) else short)


async def chunked(c, request, reply, extra=0, end=None, last=b"0\r\n\r\n"):
    del reply.headers["Content-Length"]
    reply.headers["Transfer-Encoding"] = "chunked"
    reply.length += extra
    await reply.send_headers(c)
    await reply.send_body(c, 0, end, lambda p: b"%x\r\n%b\r\n" % (len(p), p))
    if not c.head:
        await c.send(last)


@scenario("chunked-ok", count="get")
async def chunked_ok(c, request, reply):
    """B Chunked, and right."""
    await chunked(c, request, reply)


@scenario("long-chunked", count="get")
async def long_chunked(c, request, reply):
    """B Chunked, with by= (100) bytes more than asked."""
    await chunked(c, request, reply, extra=request.number("by", 100))


@scenario("short-chunked", count="get")
async def short_chunked(c, request, reply):
    """B Chunked, well ended after n= bytes (half)."""
    await chunked(c, request, reply, end=request.number("n", reply.length // 2))


@scenario("truncated-chunked", count="get")
async def truncated_chunked(c, request, reply):
    """B Chunked, closed after n= bytes (half) without the last chunk."""
    await chunked(c, request, reply, end=request.number("n", reply.length // 2), last=b"")
    raise Gone


@scenario("garbled-chunked", count="get")
async def garbled_chunked(c, request, reply):
    """B Chunked, with a chunk size that is no number after n= bytes (half)."""
    await chunked(c, request, reply, end=request.number("n", reply.length // 2), last=b"zz\r\nq\r\n")


@scenario("no-length", count="get")
async def no_length(c, request, reply):
    """B Neither length nor chunks: the body ends with the connection; n= cuts it."""
    del reply.headers["Content-Length"]
    reply.headers["Connection"] = "close"
    reply.length = min(reply.length, request.number("n", reply.length))
    await reply.send(c)


@scenario("trailing-bytes", "unsolicited", count="get")
async def trailing_bytes(c, request, reply):
    """B After the body a second response to the same request (smuggling), of version 2."""
    await reply.send_headers(c)
    await reply.send_body(c, 0, reply.length - 1)
    # The last byte and the forgery go out together, so that the client has both at once.
    last = bytes(content(reply.start + reply.length - 1, 1))
    forged = reply.header_bytes() + bytes(content(reply.start, reply.length, 2))
    await c.send(last + forged)


@scenario("content-encoding", count="get")
async def content_encoding(c, request, reply):
    """B Claims Content-Encoding value= (gzip); the data is plain."""
    reply.headers["Content-Encoding"] = request.text("value", "gzip")
    await reply.send(c)


# Time

@scenario("slow")
async def slow(c, request, reply):
    """Waits ms= (100) before an honest answer."""
    await c.sleep(request.number("ms", 100))
    await reply.send(c)


@scenario("stall-before-headers")
async def stall_before_headers(c, request, reply):
    """Waits ms= (for ever), then goes on."""
    await c.sleep(request.number("ms", HOUR))
    await reply.send(c)


@scenario("stall-in-headers")
async def stall_in_headers(c, request, reply):
    """Half of the headers, waits ms= (for ever), then goes on."""
    block = reply.header_bytes()
    await c.send(block[:len(block) // 2])
    await c.sleep(request.number("ms", HOUR))
    await c.send(block[len(block) // 2:])
    await reply.send_body(c)


@scenario("stall-in-body", count="get")
async def stall_in_body(c, request, reply):
    """B Waits ms= (for ever) after n= bytes (half), then goes on."""
    n = min(reply.length, request.number("n", reply.length // 2))
    await reply.send_headers(c)
    await reply.send_body(c, 0, n)
    await c.sleep(request.number("ms", HOUR))
    await reply.send_body(c, n)


@scenario("drip", count="get")
async def drip(c, request, reply):
    """B n= (1) bytes each ms= (10)."""
    n = request.number("n", 1)
    await reply.send_headers(c)
    for start in range(0, reply.length, n):
        await reply.send_body(c, start, min(reply.length, start + n))
        await c.sleep(request.number("ms", 10))


# Connections

@scenario("reset-on-accept")
async def reset_on_accept(c, request, reply):
    """RST instead of any answer (before any request: POST /control?reset_accepts=K)."""
    c.reset()


@scenario("reset-in-headers")
async def reset_in_headers(c, request, reply):
    """RST after half of the headers."""
    block = reply.header_bytes()
    await c.send(block[:len(block) // 2])
    await asyncio.sleep(0.02)  # a RST overtakes what the client has not read yet
    c.reset()


@scenario("reset-in-body", count="get")
async def reset_in_body(c, request, reply):
    """B RST after n= bytes (half)."""
    await reply.send_headers(c)
    await reply.send_body(c, 0, min(reply.length, request.number("n", reply.length // 2)))
    await asyncio.sleep(0.02)
    c.reset()


@scenario("close-before-headers")
async def close_before_headers(c, request, reply):
    """Closes without an answer."""
    raise Gone


@scenario("close-after")
async def close_after(c, request, reply):
    """An honest answer that promises keep-alive, then closes."""
    await reply.send(c)
    raise Gone


@scenario("close-on-reuse")
async def close_on_reuse(c, request, reply):
    """The first request of a connection is answered, the second finds it closed."""
    if c.requests > 1:
        raise Gone
    await reply.send(c)


@scenario("connection-close")
async def connection_close(c, request, reply):
    """HTTP/1.0 with Connection: close after each answer."""
    reply.protocol = "HTTP/1.0"
    reply.headers["Connection"] = "close"
    await reply.send(c)


# Headers

@scenario("giant-headers")
async def giant_headers(c, request, reply):
    """One header that never ends (n= bytes)."""
    await c.send(f"HTTP/1.1 {reply.status} OK\r\nX-Giant: ".encode())
    for _ in range(0, request.number("n", 1 << 40), 65536):
        await c.send(b"x" * 65536)
    raise Gone


@scenario("header-count")
async def header_count(c, request, reply):
    """n= (100000) headers before an honest answer's own."""
    await c.send(f"HTTP/1.1 {reply.status} {REASONS[reply.status]}\r\n".encode())
    for start in range(0, request.number("n", 100000), 1000):
        await c.send(b"".join(b"X-H%d: v\r\n" % i for i in range(start, start + 1000)))
    await c.send(reply.header_bytes().partition(b"\r\n")[2])
    await reply.send_body(c)


@scenario("garbage")
async def garbage(c, request, reply):
    """1 KiB of noise instead of a status line."""
    await c.send(bytes(content(7, 1024)))
    raise Gone


@scenario("interim")
async def interim(c, request, reply):
    """n= (1) times 103 Early Hints before an honest answer."""
    await c.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * request.number("n", 1))
    await reply.send(c)


# ---------------------------------------------------------------- server

class Server:
    default_size = 1 << 20

    def __init__(self):
        self.open = 0
        self.reset()

    def reset(self):
        self.reset_accepts = self.accepted = self.logged = 0
        self.log = collections.defaultdict(list)
        self.counts = collections.Counter()

    def misbehaves(self, request, defaults):
        """Counts this request and tells whether it is one that its scenario spoils."""
        def value(name, default):
            return request.parameters.get(name, defaults.get(name, default))
        if value("count", "all") == "get" and request.method != "GET":
            return False
        if "at" in request.parameters:
            span = request.range(request.number("size", self.default_size)) or (0, 1 << 62)
            if not span[0] <= request.number("at", 0) < span[1]:
                return False
        index = self.counts[request.path] - int(value("after", 0))
        self.counts[request.path] += 1
        every = int(value("every", 1))
        # Of every=2 the second, fourth, … misbehave, so that the first contact works.
        return (index >= 0 and index % every == every - 1
                and index // every < int(value("times", 1 << 62)))

    async def control(self, c, request):
        if request.path == "/stats":
            log = self.log
            if wanted := request.parameters.get("path"):
                log = {wanted: log.get(wanted, [])}
            body = json.dumps({"accepted": self.accepted, "open": self.open,
                               "not_logged": max(0, self.logged - MAX_LOGGED), "requests": log})
        elif request.path == "/reset":
            self.reset()
            body = "{}"
        else:
            self.reset_accepts = request.number("reset_accepts", 0)
            body = "{}"
        await Reply(200, {"Content-Type": "application/json"}, body=body.encode()).send(c)

    def remember(self, c, request):
        self.logged += 1
        if self.logged > MAX_LOGGED:
            return
        h = request.headers
        self.log[request.path].append({
            "method": request.method, "target": request.target, "connection": c.number,
            "range": h.get("range"), "if_match": h.get("if-match"), "headers": h})

    async def answer(self, c):
        try:
            request = Request(await c.line_block())
        except ValueError:
            await Reply(400, {"Connection": "close"}).send(c)
        c.requests += 1
        c.head = False
        if request.path in ("/stats", "/reset", "/control"):
            return await self.control(c, request)
        self.remember(c, request)
        try:
            await c.skip(int(request.headers.get("content-length", 0)))
            reply = good(request)
            function, defaults = SCENARIOS[request.scenario]
            spoil = self.misbehaves(request, defaults)
        except (KeyError, ValueError) as error:  # the test's own mistake: say it loudly
            body = f"no such scenario or bad parameter: {request.target}: {error}\n".encode()
            return await Reply(400, body=body).send(c)
        c.head = request.method == "HEAD"
        if defaults["count"] == "get" and (c.head or reply.status not in (200, 206)):
            spoil = False  # there is no body to spoil
        await (function if spoil else ok)(c, request, reply)

    async def serve(self, c):
        self.open += 1
        try:
            if self.reset_accepts > 0:
                self.reset_accepts -= 1
                c.reset()
            while True:
                await self.answer(c)
        except (Gone, OSError):
            pass
        except Exception:
            traceback.print_exc()
        finally:
            self.open -= 1
            c.sock.close()

    async def run(self, port):
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        listener.setblocking(False)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self.watch_stdin(loop, stop)
        content(0, 1)
        print("listening", listener.getsockname()[1], flush=True)
        accepting = asyncio.create_task(self.accept(loop, listener))
        await stop.wait()
        accepting.cancel()

    def watch_stdin(self, loop, stop):
        mode = os.fstat(0).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            return  # a terminal or /dev/null: started by hand

        def readable():
            if not os.read(0, 4096):
                loop.remove_reader(0)
                stop.set()
        loop.add_reader(0, readable)

    async def accept(self, loop, listener):
        tasks = set()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except OSError:  # out of descriptors: the clients will close some
                await asyncio.sleep(0.05)
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            task = asyncio.create_task(self.serve(Connection(loop, sock, self.accepted)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


def main():
    parser = argparse.ArgumentParser(description="HTTP server that misbehaves on request")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--size", type=int, default=Server.default_size, help="default object size")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    arguments = parser.parse_args()
    if arguments.list:
        for name, (function, defaults) in sorted(SCENARIOS.items()):
            given = " ".join(f"{k}={v}" for k, v in defaults.items() if (k, v) != ("count", "all"))
            print(f"{name:32} {inspect.getdoc(function)}" + (f"  [{given}]" if given else ""))
        return
    Server.default_size = arguments.size
    asyncio.run(Server().run(arguments.port))


if __name__ == "__main__":
    sys.exit(main())
