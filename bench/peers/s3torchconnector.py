"""s3torchconnector: its client alone, which is mountpoint-s3's, without the two gigabytes of torch.

The pieces go to where they belong, as its S3Reader.readinto has it."""

import os

import numpy

from . import peer


class Peer(peer.Peer):
    module = "s3torchconnectorclient"

    def prepare(self):
        from s3torchconnectorclient import _mountpoint_s3_client
        self.module = _mountpoint_s3_client
        os.environ.update(self.environment())

    def open(self):
        self.client = self.module.MountpointS3Client(
            region=self.where.region, endpoint=self.where.endpoint, force_path_style=True)

    def array(self):
        data = numpy.empty(self.where.size, numpy.uint8)
        at = 0
        for piece in self.client.get_object(self.where.bucket, self.where.key):
            data[at:at + len(piece)] = numpy.frombuffer(piece, numpy.uint8)
            at += len(piece)
        return data.view(numpy.float32)
