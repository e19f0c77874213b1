"""What tagd could reach at best: the statement of a request alone, and HTTP with the same bytes and no database.

Nothing here knows what the statements look like: `examples/statement.rs` asks the compiler.
"""
import glob
import json
import os
import re
import subprocess

from .place import ROOT, fail, read


def example(tagd, name):
    program = os.path.join(os.path.dirname(tagd), "examples", name)
    if not os.path.exists(program):
        fail(f"there is no {program}: cargo build --examples, with --release where tagd was built so")
    return program


def session():
    """The settings of a serving session, as src/store/session.rs makes them, for PGOPTIONS; deadlines are left out."""
    source = read(os.path.join(ROOT, "src", "store", "session.rs"))
    settings = dict(re.findall(r"set_config\('([a-z_.]+)', '([^']*)', false\)", source))
    # without Citus
    settings.update(re.findall(r"set_config\('(plan_cache_mode)',\s*case when [^;]*? else '([^']*)' end, false\)", source))
    # settings with a parameter are on for bulk work and off for requests
    settings.update({name: "off" for name in re.findall(r"set_config\('(enable_[a-z]+)', \$\d, false\)", source)})
    if "plan_cache_mode" not in settings or "role" not in settings:
        fail("src/store/session.rs no longer says how a session is set in words that this tool can read: see suite/limits.py")
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


class Statement:
    """The statement of a question with its arguments."""

    def __init__(self, text, arguments):
        self.text, self.arguments = text, arguments

    def script(self):
        """For pgbench, which makes $1 of :p1 again where statements are prepared."""
        # pgbench has no empty variables
        text = re.sub(r"\$(\d+)", lambda found: f":p{found[1]}" if self.arguments[int(found[1]) - 1] else "''", self.text)
        for found in re.finditer(r"(?<!:):(?!p\d|:)\w", text):
            if text.count("'", 0, found.start()) % 2:
                fail(f"pgbench would take a part of a text for a variable: {text[found.start():][:20]}")
        # the slice of an array is not a variable
        text = re.sub(r"(?<!:):(?!p\d|:)(?=\w)", ": ", text)
        return text + ";\n", [(f"p{number}", value) for number, value in enumerate(self.arguments, 1) if value]

    def total(self, server, options):
        """The first column of its last row."""
        values = ", ".join("'" + value.replace("'", "''") + "'" for value in self.arguments)
        call = f"({values})" if values else ""
        rows = server.psql(f"prepare s as {self.text};\nexecute s{call};", "-F", "\t", settings=options)
        return int(rows.rstrip("\n").split("\n")[-1].split("\t")[0])


def statement(tagd, question, scopes):
    request = json.dumps({"path": question.path, "body": question.body, "scopes": scopes})
    done = subprocess.run([example(tagd, "statement")], input=request + "\n", stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        fail(f"no statement for {question.body}")
    answer = json.loads(done.stdout)
    if answer["text"] not in catalogue():
        fail(f"{example(tagd, 'statement')} was built from other sources: cargo build --release --examples --bins")
    return Statement(answer["text"], answer["arguments"])


def catalogue():
    """The statements of today's sources."""
    goldens = glob.glob(os.path.join(ROOT, "tests", "golden", "compiled", "*.sql"))
    return {sent(read(golden)) for golden in goldens}


def sent(golden):
    """Statements are sent without comments and indentation."""
    lines = (line.strip() for line in golden.splitlines())
    return "\n".join(line for line in lines if not line.startswith("--"))


class SameBytes:
    """The answer of a question from a server without a database, with as many workers; a context."""

    def __init__(self, server, answer):
        path = server.file("answer.json", "")
        with open(path, "wb") as file:
            file.write(answer)
        # as many workers as tagd has by default
        command = [example(server.tagd, "same_bytes"), path, str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.child.stdout.readline().strip().removeprefix("http://")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()
