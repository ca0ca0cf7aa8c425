"""The fault server's parts: wire (bytes), answers (an honest server), server (sockets, state), and
the scenarios, one family a file."""

from . import (changes, connections, headers, lengths, ranges, redirects, refusals,  # noqa: F401
               time, validators)
from .registry import SCENARIOS  # noqa: F401
from .server import Server  # noqa: F401
from .wire import PERIOD, content  # noqa: F401
