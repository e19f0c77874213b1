"""Measurements besides the queries: writes (tools/bench/writes) and other products (tools/bench/peers)."""
import json
import os
import subprocess

from .place import BENCH, TARGET, log

PEERS = os.path.join(BENCH, "peers", "run")


def writes(settings):
    """Figures of tools/bench/writes, which runs a tagd of its own."""
    path = os.path.join(TARGET, "writes.json")
    if os.path.exists(path):
        os.remove(path)
    arguments = ["200", "1", "1"] if settings.quick else ["20000", "3", "2"]
    log("writes, with a tagd of their own")
    command = [os.path.join(BENCH, "writes"), *arguments, "--json", path] + (["--no-wrk"] if settings.quick else [])
    done = subprocess.run(command, env=dict(os.environ, TAGD=settings.tagd), stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        if line.startswith("| "):
            log(line)
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def peers(settings, fleet, connections):
    """Lines of tools/bench/peers/run about a fleet that tagd serves. None where the tool is not there.

    A line has peer, query, connections, resources, rate, total and p50_ms. Lines of tagd itself, which is asked the
    same right after each of the others, have the other's name in `beside`.
    """
    if not os.path.exists(PEERS):
        log("there is no tools/bench/peers/run: no other products")
        return []
    found = []
    for count in connections:
        log(f"other products, {count} connections")
        command = [PEERS, fleet.file, "--tagd", f"http://{fleet.server.address}", "--connections", str(count)]
        command += ["--seconds", str(max(1, round(settings.seconds))), "--rounds", str(settings.rounds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout:
                if line.startswith("{"):
                    found.append(json.loads(line))
                    log(line.strip())
        if child.returncode:
            log(f"tools/bench/peers/run ended with {child.returncode}; what it said before is kept")
    return found
