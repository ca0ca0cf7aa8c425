"""What must come of each scenario when r3map reads the object: the right bytes, or which error.

A scenario that is not named here fails its test, and so does a name that is no scenario.
"""

# Size, version and all bytes are right.
RIGHT = """
    ok last-modified-only weak-etag head-forbidden head-lies headers
    etag etag-empty
    408-storm 429-storm 500-storm 503-storm retry-after retry-after-negative retry-after-garbage
    slow-down internal-error error-body-empty
    redirect redirect-permanent redirect-see-other redirect-temporary redirect-308 redirect-later
    redirect-chain
    shorter-range shorter-range-later wrong-content-range-sometimes
    truncate-always truncate-sometimes truncate-by-one content-length
    chunked-ok chunked-trailers chunked-extensions short-chunked truncated-chunked garbled-chunked
    huge-chunk no-length no-length-short trailing-bytes trailing-bytes-later trailing-noise
    content-encoding content-encoding-unknown content-encoding-identity
    slow slow-connections pause-in-body drip drip-headers
    reset-sometimes reset-in-headers-sometimes reset-in-body reset-before-body reset-after-body
    reset-on-reuse close-before-headers-sometimes close-in-headers close-after close-on-reuse
    half-close connection-close http-1.0
    connection-limit connection-limit-503 connection-limit-1
    garbage-sometimes status-line status-line-http-2 interim interim-misleading header-latin-1
    headers-lower-case headers-line-feeds
    empty empty-200 empty-416
""".split()

# The open fails.
REFUSED = {
    "UnsupportedError": """
        400 451 s3-error no-validator no-ranges partial-as-200 total-unknown total-huge etag-once
        405 501
        redirect-chain-long redirect-loop redirect-to-file redirect-malformed
        redirect-without-location
    """,
    "ProtocolError": """
        etag-malformed etag-giant etag-twice
        wrong-content-range longer-range content-range content-range-twice total-impossible
        multipart 416
        long-content-length content-length-lies-short content-length-short-body-not
        content-length-negative content-length-huge content-length-max content-length-garbage
        content-length-empty content-length-twice endless-body chunked-endless-trailers
        chunked-and-length long-chunked endless-chunked transfer-encoding-gzip encodes-on-the-way
        giant-headers header-count endless-headers garbage http-0.9 status-line-garbled
        status-line-other interim-many interim-endless switching-protocols header-line
        header-folded header-nul header-space-before-colon
    """,
    "NetworkError": """
        reset-on-accept reset-in-headers close-before-headers redirect-nowhere s3-region
    """,
    "NotFoundError": "404 410 no-such-key redirect-to-error redirect-no-host",
    "AccessError": """
        401 403 forbidden-xml xml-giant-message error-body xml-malformed xml-cut xml-bomb xml-deep
        error-body-binary xml-endless error-stalls
    """,
    "StoreError": "status 500 502 504 599 status-line-999",
    "BusyError": "408 429 503",
    "DeadlineError": """
        stall-before-headers stall-in-headers stall-in-body stall-after-body
    """,
}

# The open is well (size and version are right), but reading fails; a touch is a SIGBUS.
FAILS_LATER = {
    "StaleError": """
        etag-changes etag-changes-ignoring-if-match weak-etag-changes last-modified-changes
        shrinks other-size-same-etag grows-same-etag grows vanishes becomes-empty
        validator-vanishes etag-becomes-weak etag-flaps precondition-fails
        content-range-unsatisfied wrong-total-in-content-range 416-later
    """,
    "ProtocolError": """
        not-modified no-content-later portal
        wrong-content-range-later first-bytes-always no-content-range-later content-range-garbage
        content-range-backward content-range-huge content-range-other-unit
        total-unknown-later multipart-later
        no-body endless-headers-later
    """,
    "UnsupportedError": """
        no-ranges-later no-ranges-sometimes partial-as-200-later content-encoding-later
    """,
    "AccessError": "forbidden-later",
    "BusyError": "retry-after-date",
    "DeadlineError": """
        stall-before-headers-later stall-in-body-later drip-slowly
        drip-headers-slowly truncate-at-once server-error-later retry-after-absurd
    """,
}

# It depends on how many requests a step makes.
EITHER = {
    "etag-changes-sometimes": {"right", "StaleError", "SIGBUS"},
    # What an open has brought is progress: a call goes on, by another connection.
    "stall-on-reuse": {"right", "DeadlineError", "SIGBUS"},
    "vanishes-late": {"right", "StaleError", "SIGBUS"},
}

# Where s3:// has to differ: the scheme "s3" overrides the rest.
S3 = {
    "s3-error": ("refused", "AccessError"),  # it reads what the document says: ExpiredToken
    "s3-region": ("right", None),            # and signs for the region that it names
    "redirect-later": ("later", "UnsupportedError"),
    # Every S3 store sends an ETag: what has none is some other server's page.
    "last-modified-only": ("refused", "ProtocolError"),
    "no-validator": ("refused", "ProtocolError"),
    "etag-empty": ("refused", "ProtocolError"),
}  # and other redirects, which no signature of ours would fit, are refused

# Parameters that make a scenario end in good time, or always in the same way.
# A stall for ever would be some ten seconds for each of the ranges, one after the other. A wrong
# range is asked for four times, and of requests side by side one could meet every wrong answer.
PARAMETERS = {"drip": "n=65536", "no-length-short": "n=300000", "stall-on-reuse": "times=6",
              "wrong-content-range-sometimes": "times=6",
              "wrong-total-in-content-range": "total=50000000"}

SHORT = 2  # seconds: for what can end by its deadline only
LONG = 30


def rule(name, scheme):
    """("right" | "refused" | "later" | "either", outcome)"""
    if scheme == "s3" and name in S3:
        return S3[name]
    if scheme == "s3" and name.startswith("redirect"):
        return "refused", "UnsupportedError"
    if name in RIGHT:
        return "right", None
    if name in EITHER:
        return "either", EITHER[name]
    for kind, table in (("refused", REFUSED), ("later", FAILS_LATER)):
        for outcome, names in table.items():
            if name in names.split():
                return kind, outcome
    raise KeyError(f"scenario {name!r} is not in expectations.py")


def expected(name, scheme, step):
    """The outcomes that are right."""
    kind, outcome = rule(name, scheme)
    if kind == "right" or (kind == "later" and step == "info"):
        return {"right"}
    if kind == "either":
        return outcome | {"CopyFailed"}
    if step == "cp":
        return {"CopyFailed"}
    return {"SIGBUS"} if kind == "later" and step == "touch" else {outcome}


def deadline(name, scheme):
    return SHORT if rule(name, scheme)[1] == "DeadlineError" else LONG


def names():
    """Each name as often as it stands here."""
    tables = [table for kind in (REFUSED, FAILS_LATER) for table in kind.values()]
    return [*RIGHT, *EITHER, *" ".join(tables).split()]
