"""Load on a server and the resulting rate: wrk, pgbench, and a small client if wrk is not installed or not needed."""
import http.client
import random
import re
import shutil
import subprocess
import threading
import time

from .place import fail

LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[%s]==]
"""

# a different project in each request; their ids are numbers
LUA_PROJECTS = """
function init() math.randomseed(%d) end
function request()
  local path = string.format("/v2/%%032x/images/resource_instances/action", math.random(0, %d - 1))
  return wrk.format("POST", path, {["Content-Type"] = "application/json"}, [==[%s]==])
end
"""

# a random image and value in each request; the images are named by number
LUA_WRITES = """
local threads = 0
function setup(thread) threads = threads + 1; thread:set("seed", %(seed)d + threads) end
function init() math.randomseed(seed) end
function request()
  local path = string.format("/v2/%(project)s/images/%%032x/tags", math.random(0, %(images)d - 1))
  local body = string.format('{"tag":{"key":"bench-http","value":"v-%%d"}}', math.random(1, %(values)d))
  return wrk.format("POST", path, {["Content-Type"] = "application/json"}, body)
end
"""

PROJECT = "0" * 32
VALUES = 1000

UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}


def has_wrk():
    return shutil.which("wrk") is not None


def seed():
    return int(time.time() * 1000) % 1000003


class Wrk:
    """wrk with one thread, kept-alive connections and the body from a script."""

    label = "wrk"

    def run(self, server, address, path, body, connections, seconds, projects=0):
        script = LUA_PROJECTS % (seed(), projects, body) if projects else LUA % body
        return self.wrk(server, script, f"http://{address}{path}", connections, seconds, f"{path} {body}")

    def writes(self, server, address, images, connections, seconds):
        script = LUA_WRITES % {"seed": seed(), "project": PROJECT, "images": images, "values": VALUES}
        return self.wrk(server, script, f"http://{address}", connections, seconds, "writes")

    @staticmethod
    def wrk(server, script, url, connections, seconds, what):
        # wrk only accepts whole seconds
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "60s", "--latency", "-s", server.file("load.lua", script), url],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        out = done.stdout
        rate, requests = re.search(r"Requests/sec:\s+([0-9.]+)", out), re.search(r"(\d+) requests in", out)
        if done.returncode or not rate or "Non-2xx" in out or re.search(r"Socket errors: (?!connect 0, read 0, write 0, timeout 0)", out):
            fail(f"{what}: requests were refused or lost\n{out}")
        quantiles = {int(q): float(n) * UNITS[unit] for q, n, unit in re.findall(r"^\s+(50|99)(?:\.\d+)?%\s+([0-9.]+)(us|ms|s|m)", out, re.M)}
        return {"rate": float(rate.group(1)), "requests": int(requests.group(1)), "p50_ms": quantiles.get(50), "p99_ms": quantiles.get(99)}


class Small:
    """Threads of this program: good enough to check that everything runs, not to measure."""

    label = "a small client in Python"

    def run(self, _, address, path, body, connections, seconds, projects=0):
        where = (lambda: f"/v2/{random.randrange(projects):032x}/images/resource_instances/action") if projects else (lambda: path)
        return self.ask(address, lambda: (where(), body), connections, seconds)

    def writes(self, _, address, images, connections, seconds):
        def one():
            return f"/v2/{PROJECT}/images/{random.randrange(images):032x}/tags", f'{{"tag":{{"key":"bench-http","value":"v-{random.randint(1, VALUES)}"}}}}'

        return self.ask(address, one, connections, seconds)

    @staticmethod
    def ask(address, request, connections, seconds):
        times, refused = [], []
        end = time.perf_counter() + seconds

        def client():
            connection = http.client.HTTPConnection(address, timeout=60)
            while not refused:
                path, body = request()
                start = time.perf_counter()
                connection.request("POST", path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                data = answer.read()
                times.append(time.perf_counter() - start)
                if answer.status not in (200, 204):
                    refused.append(f"{path} {body}: {answer.status} {data}")
                if time.perf_counter() >= end:
                    break
            connection.close()

        threads = [threading.Thread(target=client) for _ in range(connections)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - start
        if refused or not times:
            fail(f"requests were refused: {refused}")
        times.sort()
        return {"rate": len(times) / taken, "requests": len(times), "p50_ms": times[len(times) // 2] * 1000, "p99_ms": times[len(times) * 99 // 100] * 1000}


def pgbench(server, script, connections, seconds, options, variables=(), once=False):
    """Scripts a second, statements prepared, a connection for each client; `once`: each client runs it once."""
    path = server.file("script.sql", script)
    command = [f"{server.programs}/pgbench", "-n", "-M", "prepared", "-c", str(connections), "-j", "1", "-f", path]
    command += [part for name, value in variables for part in ("-D", f"{name}={value}")]
    # on a busy machine the first second may pass before any request has finished
    for longer in (1, 3, 10):
        length = ["-t", "1"] if once else ["-t", "5"] if seconds < 1 else ["-T", str(round(seconds * longer))]
        done = subprocess.run(
            command + length + ["-h", server.socket, "-U", "tagd", "tagd"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(server.env, PGOPTIONS=options), check=False,
        )
        rate = re.search(r"tps = ([0-9.]+) \(without", done.stdout)
        if done.returncode or re.search(r"failed transactions: [1-9]", done.stdout):
            break
        if rate:
            return {"rate": float(rate.group(1))}
    return fail(f"pgbench: {done.stderr}\n{done.stdout}\n{script}")
