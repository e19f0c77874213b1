#!/usr/bin/env python3
"""Writes a deterministic fleet as NDJSON: fleet.py RESOURCES [PROJECTS] [--type TYPE | --types TYPE,TYPE...].

Six keys with 3 to 20,000 values, Zipf-like; five tags a resource, one resource in a hundred without any.
The same arguments give the same bytes on every machine. With several types a project has RESOURCES of each.
"""
import argparse
import bisect
import itertools
import random
import sys

KEYS = [("env", 3), ("region", 5), ("team", 50), ("app", 500), ("owner", 5000), ("cost", 20000)]
ROLES = ["web", "db", "cache", "queue", "batch", "gateway", "search", "auth"]


def zipf(values):
    return list(itertools.accumulate(1 / (i + 1) for i in range(values)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("resources", type=int, help="resources in each project")
    parser.add_argument("projects", type=int, nargs="?", default=1)
    parser.add_argument("--type", default="images")
    parser.add_argument("--types", help="several types, with commas between them")
    args = parser.parse_args()
    types = args.types.split(",") if args.types else [args.type]
    rng = random.Random(20261121)
    weights = {key: zipf(count) for key, count in KEYS}
    out = sys.stdout.write
    for p in range(args.projects):
        project = f"{p:032x}"
        for kind in types:
            for i in range(args.resources):
                left_out = rng.randrange(len(KEYS))
                untagged = rng.random() < 0.01
                tags = []
                for k, (key, _) in enumerate(KEYS):
                    w = weights[key]
                    v = bisect.bisect_left(w, rng.random() * w[-1])
                    if k != left_out and not untagged:
                        tags.append(f'{{"key":"{key}","value":"{key}-{v}"}}')
                name = f"{ROLES[rng.randrange(len(ROLES))]}-{rng.getrandbits(24):06x}-{i}"
                out(
                    f'{{"project_id":"{project}","resource_type":"{kind}","resource_id":"{rng.getrandbits(128):032x}",'
                    f'"resource_name":"{name}","resource_detail":{{"status":"active"}},"tags":[{",".join(tags)}]}}\n'
                )


if __name__ == "__main__":
    main()
