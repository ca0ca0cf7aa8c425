"""Real servers, one of each for the whole run. A missing one skips its tests by name, except
with R3MAP_REQUIRE_ALL=1 (set by scripts/test where CI=true), where that is a failure."""

import os
import pathlib
import sys
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

import servers  # noqa: E402


def running(server_class):
    def run():
        try:
            server = server_class()
        except servers.MissingPrerequisite as missing:
            if os.environ.get("R3MAP_REQUIRE_ALL") == "1":
                pytest.fail(str(missing), pytrace=False)
            pytest.skip(str(missing))
        with server:
            yield server

    return run


minio = pytest.fixture(scope="session", name="minio")(running(servers.MinIO))
seaweedfs = pytest.fixture(scope="session", name="seaweedfs")(running(servers.SeaweedFS))
nginx = pytest.fixture(scope="session", name="nginx")(running(servers.Nginx))
toxiproxy = pytest.fixture(scope="session", name="toxiproxy")(running(servers.Toxiproxy))
fault_server = pytest.fixture(scope="session", name="fault_server")(running(servers.FaultServer))


@pytest.fixture
def bucket(minio):
    """The name of an empty bucket on MinIO."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    minio.create_bucket(name)
    return name
