"""moto's server with the fleet in it as S3 buckets: moto_server.py PORT BUCKETS.json (one [name, {key: value}] a line)."""
import json
import sys

from moto.s3.models import s3_backends
from moto.server import main

port, path = sys.argv[1:]
backend = s3_backends["123456789012"]["aws"]
with open(path, encoding="utf-8") as lines:
    for line in lines:
        name, tags = json.loads(line)
        bucket = backend.create_bucket(name, "us-east-1")
        if tags:
            backend.put_bucket_tagging(name, tags)
main(["-H", "127.0.0.1", "-p", port])
