"""Sums a float32 object on S3, once, by one client; for bench/run.

    AWS_ENDPOINT_URL=… AWS_ACCESS_KEY_ID=… … s3_sum.py SIDE BUCKET KEY

The time runs from before the client is made until the sum is there; imports are done before. All
sides end in the same numpy.sum over an array that copies nothing. Prints one line of JSON.
"""

import argparse
import json
import os
import sys
import time

import numpy


def r3map():
    import r3map

    def fetch(bucket, key):
        region = r3map.open(f"s3://{bucket}/{key}")
        return region.array(numpy.float32), region
    return fetch


def obstore():
    import obstore.store

    def fetch(bucket, key):
        store = obstore.store.S3Store(
            bucket, endpoint=os.environ["AWS_ENDPOINT_URL"], region=os.environ["AWS_REGION"],
            client_options={"allow_http": True})
        return numpy.frombuffer(obstore.get(store, key).bytes(), numpy.float32), None
    return fetch


def boto3():
    import boto3

    def fetch(bucket, key):
        body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        return numpy.frombuffer(body.read(), numpy.float32), None
    return fetch


def s3fs():
    import s3fs

    def fetch(bucket, key):
        files = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])
        return numpy.frombuffer(files.cat_file(f"{bucket}/{key}"), numpy.float32), None
    return fetch


SIDES = {side.__name__: side for side in (r3map, obstore, boto3, s3fs)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("bucket")
    parser.add_argument("key")
    arguments = parser.parse_args()
    fetch = SIDES[arguments.side]()

    start = time.perf_counter()
    array, region = fetch(arguments.bucket, arguments.key)
    total = array.sum()
    seconds = time.perf_counter() - start

    result = {"seconds": seconds, "bytes": array.nbytes, "sum": float(total)}
    if region is not None:
        stats = region.stats()
        if stats.eager or stats.evicted:
            sys.exit(f"not what is to be measured: {stats}")
        result |= {"faults": stats.faults, "requests": stats.requests}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
