"""An honest server's answers, which the scenarios spoil."""

from .wire import Gone, content

PIECE = 256 << 10
MODIFIED = ("Wed, 01 Jan 2025 00:00:00 GMT", "Thu, 02 Jan 2025 00:00:00 GMT")
REASONS = {200: "OK", 206: "Partial Content", 302: "Found", 304: "Not Modified", 403: "Forbidden",
           404: "Not Found", 405: "Method Not Allowed", 412: "Precondition Failed",
           416: "Range Not Satisfiable", 429: "Too Many Requests", 500: "Internal Server Error",
           503: "Service Unavailable"}


class Reply:
    """A correct answer, which scenarios then spoil before it is sent."""

    def __init__(self, status, headers=(), start=0, length=0, version=1, body=None):
        self.status, self.start, self.length, self.version = status, start, length, version
        self.protocol = "HTTP/1.1"
        self.headers = dict(headers)
        self.lines = []  # what no dictionary can hold: doubles, nonsense
        self.body = body  # literal bytes instead of the object's
        if body is not None:
            self.length = len(body)
        self.headers.setdefault("Content-Length", str(self.length))

    def header_bytes(self):
        lines = [f"{self.protocol} {self.status} {REASONS.get(self.status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items() if value is not None]
        return ("\r\n".join(lines + self.lines) + "\r\n\r\n").encode("latin-1")

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


def size_of(request):
    return request.number("size", request.default_size)


def good(request, *, etag='"v{version}-{size}"', modified=True, ranges=True, conditions=True,
         version=1, size=None):
    """What an honest server answers."""
    if request.method not in ("GET", "HEAD"):
        return Reply(405, {"Allow": "GET, HEAD"})
    size = size_of(request) if size is None else size
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
