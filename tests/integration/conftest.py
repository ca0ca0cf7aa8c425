"""Real servers, one of each for the whole run."""

import pathlib
import sys
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

import required  # noqa: E402
import servers  # noqa: E402


def running(server_class):
    def run():
        with required.server(server_class) as server:
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
