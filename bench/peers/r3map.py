"""r3map: the array is there at once, its bytes when they are touched."""

import numpy

from . import peer


class Peer(peer.Peer):
    module = "r3map"

    def __init__(self, where, budget_share=None):
        super().__init__(where)
        self.budget = budget_share and int(where.size * budget_share)

    def prepare(self):
        import r3map
        self.r3map = r3map
        self.storage_options = None
        if self.where.bucket:
            self.storage_options = {
                "endpoint_url": self.where.endpoint, "region": self.where.region,
                "key": self.where.access_key, "secret": self.where.secret_key}

    def open(self, **options):
        self.region = self.r3map.open(self.where.url, budget=self.budget, **options,
                                      storage_options=self.storage_options)
        self.values = self.region.array(numpy.float32)

    def array(self):
        return self.values

    def page(self, offset):
        return self.values[offset // 4]

    def gather(self, offsets, length):
        self.region.prefetch([(offset, length) for offset in offsets])
        return [self.values[offset // 4:(offset + length) // 4] for offset in offsets]

    def stats(self):
        stats = self.region.stats()
        if stats.eager:
            raise SystemExit("userfaultfd is forbidden here: there is nothing to measure")
        if stats.evicted and not self.budget:
            raise SystemExit("too little memory: pages were evicted meanwhile")
        return {"faults": stats.faults, "requests": stats.requests, "fetched": stats.fetched}

    def close(self):
        del self.values
        self.region.close()
