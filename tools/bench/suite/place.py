"""Paths, the properties of the machine, and the log."""
import os
import platform
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BENCH = os.path.join(ROOT, "tools", "bench")
TARGET = os.path.join(ROOT, "target", "bench")
RESULTS = os.path.join(TARGET, "results.json")

START = time.time()


def log(text):
    minutes, seconds = divmod(int(time.time() - START), 60)
    print(f"[{minutes:02d}:{seconds:02d}] {text}", flush=True)


def read(path, default=""):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return default


def output(*command):
    """The output of a program, or nothing if it is missing or fails."""
    try:
        return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def processor():
    for line in read("/proc/cpuinfo").splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return output("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or platform.machine()


def memory():
    """Bytes of main memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def machine():
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory": memory(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def ticks():
    """Processor time since boot: the steal time and the total. None if the system does not report it."""
    fields = read("/proc/stat").split("\n", 1)[0].split()[1:9]
    return (int(fields[7]), sum(map(int, fields))) if len(fields) == 8 else None


def stolen(since):
    """The share of steal time since an earlier result of `ticks()`."""
    now = ticks()
    return (now[0] - since[0]) / max(1, now[1] - since[1]) if since and now else None


def commit():
    """The commit, with a plus if the working tree has changes."""
    revision = output("git", "rev-parse", "--short=10", "HEAD") or "unknown"
    return revision + ("+" if output("git", "status", "--porcelain", "--untracked-files=no") else "")


def fail(text):
    sys.exit(f"bench: {text}")
