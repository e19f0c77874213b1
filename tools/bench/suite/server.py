"""A tagd with a private Postgres in a scratch folder, and figures of the kernel and of Postgres about them."""
import http.client
import os
import re
import shutil
import subprocess
import tempfile
import time

from .place import ROOT, fail, log, read

TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """A server that leaves nothing behind when it is closed; it is stopped by its own process id."""

    def __init__(self, tagd):
        self.tagd = tagd
        self.child = None
        programs = subprocess.check_output([os.path.join(ROOT, "tools", "postgres")], text=True).strip()
        self.programs = os.path.dirname(os.path.realpath(os.path.join(programs, "postgres")))
        for program in ("psql", "pgbench"):
            if not os.path.exists(os.path.join(self.programs, program)):
                fail(f"there is no {program} in {self.programs}: it is in the packages of Postgres (postgresql-contrib on some systems)")
        self.work = tempfile.mkdtemp(prefix="tagd-bench-")
        # Postgres runs as another user where this runs as root
        os.chmod(self.work, 0o755)
        self.data = os.path.join(self.work, "data")
        self.socket = os.path.join(self.data, "postgres", "run")
        # the benchmark must not use the settings of an installed tagd
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("TAGD_") and name != "DATABASE_URL"}
        self.env.update(TAGD_POSTGRES_BIN=programs, TAGD_DATA_DIR=self.data, TAGD_LOG="error")

    def file(self, name, content):
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        return path

    # ---- tagd

    def prepare(self):
        """Seconds of the first start, which creates the cluster and the schema."""
        start = time.perf_counter()
        subprocess.run([self.tagd, "migrate"], env=self.env, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    def load(self, fleet):
        """Imports a fleet: seconds, and the peak memory of the importing tagd in bytes."""
        start = time.perf_counter()
        child = subprocess.Popen([self.tagd, "import", fleet], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        peak = 0
        while child.poll() is None:
            peak = max(peak, memory_of(child.pid, "VmHWM"))
            time.sleep(0.05)
        seconds = time.perf_counter() - start
        said, complaints = child.communicate()
        if child.returncode:
            fail(f"the import failed: {complaints}")
        log(f"import: {said.strip()}")
        return seconds, peak

    def start(self):
        """Starts `tagd serve`; seconds until it is ready."""
        start = time.perf_counter()
        self.child = subprocess.Popen([self.tagd, "serve", "--listen", "127.0.0.1:0"], env=self.env, stdout=subprocess.PIPE, text=True)
        found = re.search(r"http://([^\s/]+)", self.child.stdout.readline())
        if not found:
            fail("tagd did not start")
        self.address = found.group(1)
        while self.get("/readyz") != 200:
            time.sleep(0.002)
        return time.perf_counter() - start

    def stop(self):
        """Stops tagd, which stops its Postgres."""
        if self.child:
            self.child.terminate()
            self.child.wait()
            self.child.stdout.close()
            self.child = None
        deadline = time.time() + 60
        while os.path.exists(self.pidfile()) and time.time() < deadline:
            time.sleep(0.02)

    def close(self):
        self.stop()
        shutil.rmtree(self.work, ignore_errors=True)

    def get(self, path):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request("GET", path)
        status = connection.getresponse().status
        connection.close()
        return status

    def ask(self, path, body):
        """One answer to a query: its bytes, and the seconds it took. It must be 200."""
        connection = http.client.HTTPConnection(self.address, timeout=600)
        connection.connect()
        start = time.perf_counter()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
        seconds = time.perf_counter() - start
        connection.close()
        if answer.status != 200:
            fail(f"{path} {body}: {answer.status} {data.decode(errors='replace')}")
        return data, seconds

    # ---- Postgres

    def psql(self, sql, *options, settings="", patience=None):
        """The output of the statements. `patience` is a timeout in seconds for each of them; None if it is exceeded."""
        command = [f"{self.programs}/psql", "-h", self.socket, "-U", "tagd", "-d", "tagd", "-XAtq", "-v", "ON_ERROR_STOP=1", *options]
        if patience:
            settings += f" -c statement_timeout={patience}s"
        done = subprocess.run(command, input=sql, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(self.env, PGOPTIONS=settings), check=False)
        if done.returncode and patience and "statement timeout" in done.stderr:
            return None
        if done.returncode:
            fail(f"{done.stderr.strip()}\n{sql}")
        return done.stdout.strip()

    def settle(self):
        """Waits until Postgres has finished requests whose clients have disconnected."""
        deadline = time.time() + 60
        while time.time() < deadline:
            if self.psql("select count(*) from pg_stat_activity where application_name = 'tagd' and state = 'active'") == "0":
                return
            time.sleep(0.05)

    def pidfile(self):
        return os.path.join(self.data, "postgres", "data", "postmaster.pid")

    # ---- what the kernel knows

    def cpu(self):
        """Seconds of processor time so far: of tagd, and of all processes of its Postgres."""
        postmaster = int(read(self.pidfile()).split("\n")[0] or 0)
        # including processes that have exited: otherwise the time of an autovacuum worker that exits meanwhile would be
        # lost
        database = ended_cpu_of(postmaster) + sum(cpu_of(pid) for pid in children_of(postmaster)) if postmaster else 0
        return cpu_of(self.child.pid), database

    def metered(self, load):
        """The figures of a load on this server, with the processor time that each request took of tagd and of Postgres."""
        tagd, database = self.cpu()
        figures = load()
        after = self.cpu()
        # requests that are still running when the load ends must not count towards the next measurement
        self.settle()
        figures["tagd_cpu_us"] = (after[0] - tagd) / max(1, figures["requests"]) * 1e6
        figures["postgres_cpu_us"] = (after[1] - database) / max(1, figures["requests"]) * 1e6
        return figures

    def memory(self, field):
        """Bytes of memory of tagd: VmRSS now, VmHWM at most."""
        return memory_of(self.child.pid, field)


def memory_of(pid, field):
    found = re.search(rf"{field}:\s+(\d+) kB", read(f"/proc/{pid}/status"))
    return int(found.group(1)) * 1024 if found else 0


def fields_of(pid):
    """The fields after the name in /proc/PID/stat; the name may contain spaces and parentheses."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def cpu_of(pid):
    fields = fields_of(pid)
    return (int(fields[11]) + int(fields[12])) / TICK if fields else 0


def ended_cpu_of(pid):
    """Processor time of the children of the process that have exited."""
    fields = fields_of(pid)
    return (int(fields[13]) + int(fields[14])) / TICK if fields else 0


def children_of(pid):
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and fields_of(name)[1:2] == [str(pid)]] if os.path.isdir("/proc") else []
