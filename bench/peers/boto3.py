"""boto3: the AWS SDK for Python."""

import numpy

from . import peer


class Peer(peer.Peer):
    module = "boto3"

    def prepare(self):
        import boto3
        self.boto3 = boto3

    def open(self):
        self.client = self.boto3.client(
            "s3", endpoint_url=self.where.endpoint, region_name=self.where.region,
            aws_access_key_id=self.where.access_key, aws_secret_access_key=self.where.secret_key)

    def array(self):
        body = self.client.get_object(Bucket=self.where.bucket, Key=self.where.key)["Body"]
        return numpy.frombuffer(body.read(), numpy.float32)
