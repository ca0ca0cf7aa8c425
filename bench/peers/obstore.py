"""obstore: Rust's object_store for Python."""

import numpy

from . import peer


class Peer(peer.Peer):
    module = "obstore"

    def prepare(self):
        import obstore.store
        self.obstore = obstore

    def open(self):
        self.store = self.obstore.store.S3Store(
            self.where.bucket, endpoint=self.where.endpoint, region=self.where.region,
            access_key_id=self.where.access_key, secret_access_key=self.where.secret_key,
            client_options={"allow_http": True})

    def array(self):
        return numpy.frombuffer(self.obstore.get(self.store, self.where.key).bytes(),
                                numpy.float32)

    def page(self, offset):
        data = self.obstore.get_range(self.store, self.where.key, start=offset, length=4096)
        return numpy.frombuffer(data, numpy.float32)[0]

    def gather(self, offsets, length):
        parts = self.obstore.get_ranges(self.store, self.where.key, starts=offsets,
                                        lengths=[length] * len(offsets))
        return [numpy.frombuffer(part, numpy.float32) for part in parts]
