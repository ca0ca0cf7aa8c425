"""The servers, started when a row needs them, with one object on all of them."""

import contextlib
import dataclasses
import os
import pathlib
import tempfile

from harness import paths  # noqa: F401  finds servers
import servers

BUCKET, KEY = "bench", "values.f32"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an object is, as a client is told."""

    size: int
    sum: float
    programs: str  # the folder of what bench/scenario was built to
    url: str  # for r3map
    plain_url: str  # for who knows only HTTP
    endpoint: str = ""
    bucket: str = ""
    key: str = ""
    region: str = servers.REGION
    access_key: str = servers.ACCESS_KEY
    secret_key: str = servers.SECRET_KEY


class Places(contextlib.ExitStack):
    """`with Places(size, programs) as places: places.place("s3", 20)`."""

    def __init__(self, size, programs, say):
        super().__init__()
        self.size, self.programs, self.say = size, str(programs), say
        self.sum = self.minio = self.nginx = self.toxiproxy = None
        self.endpoints = {}

    def place(self, store, latency_ms):
        self._make_object()
        common = {"size": self.size, "sum": self.sum, "programs": self.programs}
        if store == "http":
            url = f"{self._http()}/{KEY}"
            return Place(url=url, plain_url=url, **common)
        endpoint = self._s3(latency_ms)
        return Place(url=f"s3://{BUCKET}/{KEY}", plain_url=f"{endpoint}/{BUCKET}/{KEY}",
                     endpoint=endpoint, bucket=BUCKET, key=KEY, **common)

    def _make_object(self):
        if self.sum is not None:
            return
        from harness import content
        self.say(f"making an object of {self.size >> 20} MiB")
        folder = self.enter_context(tempfile.TemporaryDirectory(prefix="r3map-bench-"))
        self.file = pathlib.Path(folder) / KEY
        self.sum = content.write(self.file, self.size)

    def _http(self):
        if self.nginx is None:
            self.nginx = self.enter_context(servers.Nginx())
            os.symlink(self.file, self.nginx.root / KEY)
        return self.nginx.url

    def _s3(self, latency_ms):
        if self.minio is None:
            self.minio = self.enter_context(servers.MinIO())
            self.minio.create_bucket(BUCKET)
            self.minio.put_object(BUCKET, KEY, self.file)
            self.endpoints[0] = self.minio.endpoint
        if latency_ms not in self.endpoints:
            if self.toxiproxy is None:
                self.toxiproxy = self.enter_context(servers.Toxiproxy())
            proxy = self.toxiproxy.proxy(self.minio.address, latency_ms=latency_ms)
            self.endpoints[latency_ms] = proxy.url
        return self.endpoints[latency_ms]
