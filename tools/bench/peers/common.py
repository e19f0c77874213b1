"""Base class of the peers: a scratch folder, its processes, a port on loopback, and single requests."""
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.join(ROOT, "target", "peers")


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(ready, peer, seconds=120):
    """Waits until it answers, a process of the peer has ended, or the time is up."""
    end = time.time() + seconds
    while True:
        try:
            return ready()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not ready
            dead = [child.args[0] for child in peer.children if child.poll() is not None]
            if dead or time.time() > end:
                raise RuntimeError(f"{peer.name} did not start: {error!r} {dead}\n{peer.logs()}") from error
            time.sleep(0.2)


class Peer:
    name = None
    # the largest fleet that it can handle; None: any
    cap = None

    def __init__(self):
        self.work = tempfile.mkdtemp(prefix=f"peer-{self.name}-")
        os.chmod(self.work, 0o755)
        self.children = []

    def open_log(self, name):
        return open(os.path.join(self.work, name), "a")

    def spawn(self, command, **options):
        log = self.open_log("server.log")
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.work, **options)
        self.children.append(child)
        return child

    def logs(self):
        text = ""
        for name in sorted(os.listdir(self.work)):
            if name.endswith(".log"):
                with open(os.path.join(self.work, name), errors="replace") as log:
                    text += f"--- {name}\n{log.read()[-3000:]}\n"
        return text

    def ask(self, method, path, headers, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            data = answer.read()
            if answer.status // 100 != 2:
                raise RuntimeError(f"{self.name}: {answer.status} {data[:500]}")
            return data
        finally:
            connection.close()

    def start(self, resources):
        raise NotImplementedError

    def request(self, question):
        """(method, path, headers, body), or None if the peer has no such query."""
        raise NotImplementedError

    def answer(self, data):
        """(total or None, the names of the page or None)."""
        raise NotImplementedError

    def counted(self, question):
        """For a peer without totals: counts the results by reading every page."""
        return None

    def stop(self):
        for child in reversed(self.children):
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.work, ignore_errors=True)
