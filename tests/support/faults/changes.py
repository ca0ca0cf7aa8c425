"""Objects that change between two requests."""

from .answers import Reply, good, size_of
from .registry import scenario, variant


@scenario("etag-changes", after=1)
async def etag_changes(c, request, reply):
    """Content and ETag of version 2 from request after+1 (2) on; If-Match gives 412."""
    await good(request, version=2).send(c)


@scenario("etag-changes-ignoring-if-match", after=1)
async def etag_changes_ignoring(c, request, reply):
    """As etag-changes, but conditions are ignored: 206 with the new ETag and content."""
    await good(request, version=2, conditions=False).send(c)


@scenario("etag-changes-sometimes", after=1, every=2)
async def etag_changes_sometimes(c, request, reply):
    """Two versions in turn, conditions ignored: one replica lags behind."""
    await good(request, version=2, conditions=False).send(c)


@scenario("weak-etag-changes")
async def weak_etag_changes(c, request, reply):
    """A weak ETag, and another one with new content from the second answer on."""
    version = 1 if c.server.counts[request.path] == 1 else 2
    await good(request, version=version, etag='W/"v{version}"', conditions=False).send(c)


@scenario("last-modified-changes", after=1)
async def last_modified_changes(c, request, reply):
    """No ETag, a new date and content, conditions ignored."""
    await good(request, version=2, etag=None, conditions=False).send(c)


@scenario("shrinks", after=1)
async def shrinks(c, request, reply):
    """Half as long, of version 2; If-Match gives 412."""
    await good(request, version=2, size=size_of(request) // 2).send(c)


@scenario("other-size-same-etag", after=1)
async def other_size_same_etag(c, request, reply):
    """percent= (50) of the size under the same ETag; the bytes that are left are the same."""
    size = size_of(request)
    await good(request, size=size * request.number("percent", 50) // 100,
               etag=f'"v1-{size}"').send(c)

variant("grows-same-etag", other_size_same_etag, "Three times as long under the same ETag.",
        after=1, percent=300)


@scenario("grows", after=1)
async def grows(c, request, reply):
    """Twice as long, with a new ETag; conditions are ignored."""
    await good(request, version=2, size=2 * size_of(request), conditions=False).send(c)


@scenario("vanishes", after=1)
async def vanishes(c, request, reply):
    """404 from request after+1 (2) on."""
    await Reply(404, body=b"gone\n").send(c)

variant("vanishes-late", vanishes, "404 from the fourth request on.", after=3)


@scenario("becomes-empty", after=1)
async def becomes_empty(c, request, reply):
    """Size 0 from the second request on, conditions ignored: 416 with `bytes */0`."""
    await good(request, size=0, conditions=False).send(c)
