"""Compares two programs: the same questions and writes in alternation, each program with its own database."""
import contextlib
import functools
import hashlib
import json
import math
import os
import statistics

from . import questions
from .contest import long_enough, median
from .document import rate, size, table
from .fleets import CONNECTIONS, GROWING, QUICK_STEP, file_of
from .place import TARGET, fail, log, output
from .server import Server

PARTS = ("images", "types", "projects", "writes")

# if the newer program reaches less than this share of the older one's rate, the question is measured again
LEAST = 0.95

# the minimum for all ratios together
LEAST_OF_ALL = 0.98

# factor for the number of rounds when a question is measured again
AGAIN = 3

WRITTEN = 20_000


class Side:
    """A program with a server of its own."""

    def __init__(self, name, program):
        self.name, self.server = name, Server(program)

    def build(self, file):
        """Imports a fleet and serves it; returns the time and memory that this took."""
        server = self.server
        server.prepare()
        seconds, peak = server.load(file)
        # no autovacuum during a measurement, and the same state on every side
        start = server.start()
        server.psql("vacuum analyze")
        server.psql("checkpoint")
        return {"import_s": seconds, "import_peak_rss": peak, "start_s": start}


class Against:
    """A run; its figures are in `result`."""

    def __init__(self, settings, old, control, keep):
        self.settings, self.keep = settings, keep
        # the first is the baseline of the comparison
        self.programs = [("old", old), ("new", settings.tagd)] + ([("control", old)] if control else [])
        # an even number: each side comes first as often as last
        self.rounds = settings.rounds + settings.rounds % 2
        self.result = {"programs": {name: identity(path) for name, path in self.programs}, "rounds": self.rounds, "fleets": [], "questions": []}

    def run(self, parts, sizes):
        if "images" in parts:
            for count in sizes:
                wanted = [one for one in questions.of_images(count) if self.settings.wants(one) and (count == sizes[-1] or one.group in GROWING)]
                self.fleet(f"{count:,} images", count, wanted)
        quick = self.settings.quick
        if "types" in parts:
            self.fleet("five types", 200 if quick else 20_000, list(filter(self.settings.wants, questions.of_types())), types=questions.TMS_TYPES)
        if "projects" in parts:
            count = 10 if quick else 1000
            wanted = list(filter(self.settings.wants, questions.of_projects(questions.PROJECT)))
            self.fleet(f"{count:,} projects", 100 if quick else 1000, wanted, projects=count)
        if "writes" in parts:
            self.writes(200 if quick else WRITTEN)

    @contextlib.contextmanager
    def sides(self, name, file):
        """Every program with the fleet of a file, one after the other so that the imports have the machine to themselves."""
        with contextlib.ExitStack() as servers:
            sides, built = [], {}
            for side, program in self.programs:
                sides.append(Side(side, program))
                servers.callback(sides[-1].server.close)
                log(f"{name}: {side}")
                built[side] = sides[-1].build(file)
            yield sides
            for side in sides:
                built[side.name].update(rss=side.server.memory("VmRSS"), peak_rss=side.server.memory("VmHWM"))
        self.result["fleets"].append({"name": name, "sides": built})
        self.keep()

    def fleet(self, name, resources, wanted, projects=1, types=("images",)):
        if not wanted:
            return
        with self.sides(name, file_of(resources, projects, types)) as sides:
            slow = []
            for number, question in enumerate(wanted):
                seconds = self.agree(sides, question)
                if self.settings.quick and number % QUICK_STEP:
                    continue
                loads = [(count, self.query(question, count, projects), self.seconds(seconds, count)) for count in CONNECTIONS]
                slow += self.ask(sides, name, question.name, loads)
            self.again(sides, slow)

    def writes(self, images):
        """Writes of one tag per request, each to a random image."""
        name = f"writes to {images:,} images"
        with self.sides(name, numbered(images)) as sides:

            def write(clients):
                return lambda side, seconds: self.settings.load.writes(side.server, side.server.address, images, clients, seconds)

            loads = [(clients, write(clients), self.settings.seconds * (1 if self.settings.quick else 2)) for clients in CONNECTIONS]
            self.again(sides, self.ask(sides, name, "one tag", loads))

    def query(self, question, connections, projects):
        by_chance = projects if projects > 1 else 0
        return lambda side, seconds: self.settings.load.run(
            side.server, side.server.address, question.path, question.body, connections, seconds, by_chance
        )

    def seconds(self, first, connections):
        return self.settings.seconds if self.settings.quick else long_enough(self.settings.seconds, first * 1000, connections)

    @staticmethod
    def agree(sides, question):
        """Ends the program unless all sides answer the same; else the seconds of the slowest, which are not its first."""
        said, slowest = {}, 0
        for side in sides:
            side.server.ask(question.path, question.body)
            data, seconds = min((side.server.ask(question.path, question.body) for _ in range(3)), key=lambda one: one[1])
            answer = json.loads(data)
            said[side.name] = answer["total_count"], [resource["resource_id"] for resource in answer.get("resources", [])]
            slowest = max(slowest, seconds)
        if any(one != said["old"] for one in said.values()):
            shown = ", ".join(f"{name} {total} {ids[:3]}" for name, (total, ids) in said.items())
            fail(f"{question.name}: the programs differ: {shown}")
        return slowest

    # ---- rounds

    def ask(self, sides, fleet, question, loads):
        """Measures a question with each number of connections; returns those to measure again, with their loads."""
        slow = []
        for (connections, load, seconds), figures in zip(loads, self.hold(sides, loads, self.rounds)):
            entry = {"fleet": fleet, "question": question, "connections": connections, "seconds": seconds, **figures, "again": None}
            self.result["questions"].append(entry)
            log(self.told(entry))
            if entry["ratio"]["new"] < LEAST:
                slow.append((entry, (connections, load, seconds)))
        self.keep()
        return slow

    def again(self, sides, slow):
        """Measures again what was slow, to see whether it stays slow."""
        rounds = self.rounds * (1 if self.settings.quick else AGAIN)
        for entry, load in slow:
            log(f"again, {rounds} rounds: {entry['fleet']}, {entry['question']}, {entry['connections']}")
            entry["again"] = self.hold(sides, [load], rounds)[0]
            log(self.told(dict(entry, **entry["again"])))
            self.keep()

    @staticmethod
    def hold(sides, loads, rounds):
        """Rounds of all loads, each on every side, there and back: A B, B A, A B and so on."""
        runs = [{side.name: [] for side in sides} for _ in loads]
        for turn in range(rounds):
            for (_, load, seconds), run in zip(loads, runs):
                for side in sides if turn % 2 == 0 else reversed(sides):
                    run[side.name].append(side.server.metered(functools.partial(load, side, seconds)))
        return [compared(run) for run in runs]

    @staticmethod
    def told(entry):
        rates = ", ".join(f"{name} {rate(run['rate'])}" for name, run in entry["runs"].items())
        ratios = ", ".join(f"{name} {ratio:.3f}" for name, ratio in entry["ratio"].items())
        return f"{entry['fleet']}, {entry['question']}, {entry['connections']}: {rates} a second; of old: {ratios}"


def compared(run):
    """Medians of each side, and of the ratios to the first one, taken round by round."""
    first = next(iter(run))
    found = {"runs": {}, "ratio": {}, "ratios": {}}
    for name, figures in run.items():
        medians = {field: median([one[field] for one in figures]) for field in ("rate", "p50_ms", "p99_ms", "tagd_cpu_us", "postgres_cpu_us")}
        found["runs"][name] = dict(medians, rates=[round(one["rate"], 2) for one in figures])
        if name != first:
            ratios = [one["rate"] / other["rate"] for one, other in zip(figures, run[first])]
            found["ratios"][name] = [round(ratio, 4) for ratio in ratios]
            found["ratio"][name] = statistics.median(ratios)
    return found


def numbered(images):
    """A fleet whose images are named by number, so that a random one can be named."""
    path = os.path.join(TARGET, f"numbered-{images}.ndjson")
    if not os.path.exists(path):
        with open(file_of(images, 1, ("images",)), encoding="utf-8") as lines, open(path + ".part", "w", encoding="utf-8") as file:
            for number, line in enumerate(lines):
                file.write(json.dumps(dict(json.loads(line), resource_id=f"{number:032x}")) + "\n")
        os.rename(path + ".part", path)
    return path


def identity(program):
    with open(program, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest()
    return {"path": program, "version": output(program, "--version"), "bytes": os.path.getsize(program), "sha256": digest}


# ---- what came of it


def geometric(ratios):
    return math.exp(statistics.fmean(map(math.log, ratios))) if ratios else None


def summary(result):
    """The figures that decide."""
    asked = result["questions"]
    found = {}
    for name in result["programs"]:
        if name == "old" or not asked:
            continue
        ratios = [entry["ratio"][name] for entry in asked]
        found[name] = {
            "all": geometric(ratios), "least": min(ratios), "most": max(ratios),
            "by_connections": {str(count): geometric([entry["ratio"][name] for entry in asked if entry["connections"] == count]) for count in CONNECTIONS},
            "writes": geometric([entry["ratio"][name] for entry in asked if entry["fleet"].startswith("writes")]),
        }
    below = [entry for entry in asked if entry["ratio"]["new"] < LEAST]
    found["below"] = len(below)
    found["stay"] = sum(1 for entry in below if stays(entry))
    return found


def stays(entry):
    """Whether a slow question stays slow when it is measured again; if it was not, it counts as slow."""
    return not entry["again"] or entry["again"]["ratio"]["new"] < LEAST


def section(result, heading):
    """The figures as text and tables for a Markdown page."""
    asked, control = result["questions"], "control" in result["programs"]
    if not asked:
        return f"{heading}\n\nNothing was asked.\n"
    figures = summary(result)
    lines = [heading, ""]
    if result["quick"]:
        lines += ["**These figures are of a quick look and say nothing.**", ""]
    programs = [[name, f"`{one['path']}`", one["version"], f"`{one['sha256'][:12]}`", size(one["bytes"])] for name, one in result["programs"].items()]
    lines += [table(["", "program", "version", "SHA-256", "size"], programs), ""]
    lines += [
        f"{result['date'][:16].replace('T', ' ')}, {result['machine']['processor']}, {result['machine']['cores']} processors; load by {result['load']}; {result['rounds']} rounds"
        f" of {result['seconds']:g} s or more, every program on a database of its own, old and new by turns and each first as often as last. A ratio is the"
        " median of those of the rounds: new / old.",
        "",
    ]
    rows = [["all", len(asked)] + [f"{figures[name]['all']:.3f}" for name in figures if name in result["programs"]]]
    for count in CONNECTIONS:
        rows.append([f"{count} connection{'s' * (count > 1)}", sum(1 for entry in asked if entry["connections"] == count)])
        rows[-1] += [f"{figures[name]['by_connections'][str(count)]:.3f}" for name in figures if name in result["programs"]]
    if figures["new"]["writes"]:
        rows.append(["writes", sum(1 for entry in asked if entry["fleet"].startswith("writes"))])
        rows[-1] += [f"{figures[name]['writes']:.3f}" for name in figures if name in result["programs"]]
    rows.append(["least and most", ""] + [f"{figures[name]['least']:.3f} to {figures[name]['most']:.3f}" for name in figures if name in result["programs"]])
    lines += [table(["geometric mean", "measured", "new / old"] + (["old again / old"] if control else []), rows), ""]
    if control:
        lines += ["\"Old again\" is the old program a second time, on a third database: how far ratios go apart where nothing differs.", ""]
    below = [entry for entry in asked if entry["ratio"]["new"] < LEAST]
    if below:
        rows = []
        for entry in below:
            again = entry["again"]
            rows.append([entry["fleet"], entry["question"], entry["connections"], f"{entry['ratio']['new']:.3f}"])
            rows[-1] += [f"{again['ratio']['new']:.3f}" if again else "", "stays" if stays(entry) else "does not stay"]
        lines += [f"Below {LEAST}:", "", table(["fleet", "question", "connections", "ratio", "asked again", ""], rows), ""]
    else:
        lines += [f"No question is below {LEAST}.", ""]
    rows = []
    for entry in asked:
        old, new = entry["runs"]["old"], entry["runs"]["new"]
        ratios = entry["ratios"]["new"]
        rows.append([entry["fleet"], entry["question"], entry["connections"], rate(old["rate"]), rate(new["rate"]), f"{entry['ratio']['new']:.3f}"])
        rows[-1] += [f"{min(ratios):.2f} to {max(ratios):.2f}"] + ([f"{entry['ratio']['control']:.3f}"] if control else [])
        rows[-1] += [f"{old[field]:,.0f} → {new[field]:,.0f}" for field in ("tagd_cpu_us", "postgres_cpu_us")]
    head = ["fleet", "question", "connections", "old/s", "new/s", "new / old", "its rounds"] + (["old again / old"] if control else [])
    lines += [table(head + ["µs of tagd", "µs of Postgres"], rows), ""]
    rows = [
        [fleet["name"], name, f"{one['import_s']:.1f} s", size(one["import_peak_rss"]), f"{one['start_s'] * 1000:,.0f} ms", size(one["rss"]), size(one["peak_rss"])]
        for fleet in result["fleets"] for name, one in fleet["sides"].items()
    ]
    lines += [table(["fleet", "program", "import", "its peak memory", "start", "memory after load", "peak"], rows)]
    return "\n".join(lines) + "\n"


def verdict(result):
    """One line that says whether the newer program is as fast."""
    if not result["questions"]:
        return "nothing was asked"
    figures = summary(result)
    mean = figures["new"]["all"]
    good = mean >= LEAST_OF_ALL and not figures["stay"]
    said = f"geometric mean {mean:.3f} of {len(result['questions'])} ({LEAST_OF_ALL} wanted), {figures['below']} below {LEAST}, {figures['stay']} of them stay there"
    if "control" in figures:
        said += f"; the old program against itself {figures['control']['all']:.3f}, from {figures['control']['least']:.3f} to {figures['control']['most']:.3f}"
    return f"{'as fast' if good else 'slower'}: {said}"
