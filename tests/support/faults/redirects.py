"""Redirects: to the object, in circles, to nowhere."""

from .answers import Reply
from .registry import scenario, variant


def rest(request):
    """The target without its scenario: "size=10/x"."""
    return request.target.split("/", 2)[2]


@scenario("redirect")
async def redirect(c, request, reply):
    """302 (code=) to to= (default: the same path under /ok/)."""
    to = request.text("to", "/ok/" + rest(request))
    await Reply(request.number("code", 302), {"Location": to}, body=b"elsewhere\n").send(c)

variant("redirect-permanent", redirect, "301 to the object.", code=301)
variant("redirect-see-other", redirect, "303 to the object.", code=303)
variant("redirect-temporary", redirect, "307 to the object.", code=307)
variant("redirect-308", redirect, "308 to the object.", code=308)
variant("redirect-later", redirect, "302 to the object, from the second request on.", after=1)
variant("redirect-nowhere", redirect, "To a port at which nobody listens.",
        to="http://127.0.0.1:1/x")
variant("redirect-no-host", redirect, "To a host that does not exist.",
        to="http://nowhere.invalid/x")
variant("redirect-to-file", redirect, "To file:///etc/passwd.", to="file:///etc/passwd")
variant("redirect-malformed", redirect, "To something that is no URL.", to="http://[::bad/%zz")
variant("redirect-to-error", redirect, "To a 404.", to="/404/x")


@scenario("redirect-without-location")
async def redirect_without_location(c, request, reply):
    """302 that does not say where to."""
    await Reply(302, body=b"elsewhere\n").send(c)


@scenario("redirect-loop")
async def redirect_loop(c, request, reply):
    """302 to itself."""
    await Reply(302, {"Location": request.target}).send(c)


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


@scenario("redirect-chain")
async def redirect_chain(c, request, reply):
    """n= (3) redirects, then the object."""
    left = request.number("n", 3)
    tail = "/".join(part for part in rest(request).split("/") if not part.startswith("n="))
    to = f"/{request.scenario}/n={left - 1}/{tail}" if left > 1 else f"/ok/{tail}"
    await Reply(302, {"Location": to}).send(c)

variant("redirect-chain-long", redirect_chain, "50 redirects, then the object.", n=50)
