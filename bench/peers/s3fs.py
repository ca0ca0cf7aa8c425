"""s3fs: what fsspec, and thereby pandas and zarr, read S3 with."""

import numpy

from . import peer


class Peer(peer.Peer):
    module = "s3fs"

    def prepare(self):
        import s3fs
        self.s3fs = s3fs

    def open(self):
        self.files = self.s3fs.S3FileSystem(
            key=self.where.access_key, secret=self.where.secret_key,
            endpoint_url=self.where.endpoint, client_kwargs={"region_name": self.where.region})

    def array(self):
        data = self.files.cat_file(f"{self.where.bucket}/{self.where.key}")
        return numpy.frombuffer(data, numpy.float32)
