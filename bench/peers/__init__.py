"""The clients that are compared, one file each, all with the methods of peers.peer.Peer."""

import importlib


def load(name):
    """The class of a client; what it needs is imported when it is prepared."""
    return importlib.import_module(f"peers.{name.replace('-', '_')}").Peer
