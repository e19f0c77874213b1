"""Measures a fleet, from its import to its last figure."""
import contextlib
import json
import os
import random
import statistics
import subprocess

from . import limits, questions, textbook
from .contest import Contestant, hold, long_enough, outcome, waiting
from .load import Small, Wrk, pgbench
from .place import BENCH, TARGET, fail, log
from .server import Server

CONNECTIONS = (1, 16)

# in a quick run every answer is compared, but only one question in this many is measured
QUICK_STEP = 4

# a textbook statement that takes longer than this many seconds is run once instead of in every round
SLOW = 2.5

# questions whose answers differ in length
SAME_BYTES = ("count_half", "rare", "half", "page_100", "page_1000")

# groups of questions for the smaller fleets, which only show how times grow with size
GROWING = ("tags", "texts", "counts")

# the index: all relations except the source tables and the table for searching names
SIZES = """
with sizes as (
  select c.relname as name, pg_total_relation_size(c.oid) as bytes from pg_class c
   where c.relnamespace = 'tagd'::regnamespace and c.relkind in ('r', 'p', 'm'))
select json_build_object(
         'database', pg_database_size(current_database()),
         'index', (select sum(bytes) from sizes where name not in
           ('project', 'resource_type', 'scope', 'scope_counter', 'resource', 'tag', 'name', 'predefined_tag', 'schema_history')),
         'tables', (select json_object_agg(name, bytes) from sizes))
"""

POSTGRES_SETTINGS = """
select string_agg(name || ' ' || current_setting(name), ', ' order by name) from pg_settings
 where name in ('shared_buffers', 'fsync', 'max_connections', 'max_parallel_workers_per_gather')
"""


class Settings:
    """The options of the user, and values derived from them."""

    def __init__(self, tagd, rounds, seconds, only, quick, keep):
        self.tagd, self.rounds, self.seconds, self.only, self.quick = tagd, rounds, seconds, only, quick
        # called after every question, so that an interrupted run has figures too
        self.keep = keep
        self.load = Small() if quick else Wrk()

    def wants(self, question):
        wanted = self.only.lower().split(",")
        return any(part in question.name.lower() or part in (question.group, question.key) for part in wanted)


def file_of(resources, projects, types):
    """The fleet's file, created if it does not exist."""
    os.makedirs(TARGET, exist_ok=True)
    path = os.path.join(TARGET, f"fleet-{projects}x{resources}-{'-'.join(types)}.ndjson")
    if os.path.exists(path):
        return path
    log(f"writing {os.path.relpath(path)}")
    with open(path + ".part", "w", encoding="utf-8") as file:
        subprocess.run([os.path.join(BENCH, "fleet.py"), str(resources), str(projects), "--types", ",".join(types)], stdout=file, check=True)
    os.rename(path + ".part", path)
    return path


class Fleet:
    """A server with a fleet; the figures are in `result`."""

    def __init__(self, settings, name, resources, projects=1, types=("images",), full=True):
        self.settings, self.name, self.resources, self.projects, self.types, self.full = settings, name, resources, projects, types, full
        self.total = resources * projects * len(types)
        self.file = file_of(resources, projects, types)
        self.server = Server(settings.tagd)
        self.result = {"name": name, "resources": self.total, "projects": projects, "types": list(types), "questions": [], "load_rss": 0, "peak_rss": 0}
        self.session = limits.session()
        self.load_rss = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()

    # ---- before the questions

    def build(self):
        """Imports the fleet, starts tagd on it a few times, measures sizes, creates the textbook's tables."""
        server, result = self.server, self.result
        log(f"{self.name}: {self.total:,} resources")
        result["first_start_s"] = server.prepare()
        seconds, peak = server.load(self.file)
        result["import"] = {"seconds": seconds, "per_minute": self.total / seconds * 60, "peak_rss": peak}
        starts = []
        for last in (False, False, True)[2 if self.settings.quick else 0:]:
            starts.append(server.start())
            if not last:
                server.stop()
        result["start_s"] = statistics.median(starts)
        result["idle_rss"] = server.memory("VmRSS")
        result["sizes"] = json.loads(server.psql(SIZES))
        log("making the textbook's tables")
        server.psql(textbook.SETUP)
        result["sizes"].update(
            json.loads(server.psql(
                "select json_build_object('btree', pg_relation_size('book.tag_by_value'), 'book_tag', pg_total_relation_size('book.tag'),"
                " 'book_resource', pg_total_relation_size('book.resource'))"
            ))
        )
        log(
            f"import {result['import']['per_minute']:,.0f} resources a minute, start {result['start_s'] * 1000:.0f} ms, database {result['sizes']['database'] / 1e6:,.0f} MB,"
            f" index {result['sizes']['index'] / 1e6:,.1f} MB, btree {result['sizes']['btree'] / 1e6:,.1f} MB"
        )
        result["postgres"] = server.psql("show server_version")
        result["postgres_settings"] = server.psql(POSTGRES_SETTINGS)

    def scopes(self, project=questions.PROJECT):
        found = self.server.psql(
            f"select string_agg(scope_id::text, ',' order by array_position(array{list(self.types)!r}, resource_type::text)) from tagd.scope where project_id = '{project}'"
        )
        return [int(scope) for scope in found.split(",")]

    # ---- questions

    def wants(self, question):
        return self.settings.wants(question) and (self.full or question.group in GROWING)

    def enter(self, question, scopes, servers):
        """Checks the answer of a question: what is known of it then, and all that answer it. `servers` closes what they need."""
        server, settings = self.server, self.settings
        answer, _ = server.ask(question.path, question.body)
        answer, first = min((server.ask(question.path, question.body) for _ in range(3)), key=lambda one: one[1])
        total = json.loads(answer)["total_count"]
        statement = limits.statement(settings.tagd, question, scopes)
        book, milliseconds = self.check(question, scopes, json.loads(answer), statement)
        contestants = []
        for connections in CONNECTIONS:
            rounds = settings.rounds
            seconds = settings.seconds if settings.quick else long_enough(settings.seconds, first * 1000, connections)
            contestants.append(Contestant("http", connections, self.over_http(question, connections), seconds, rounds))
            if self.full:
                contestants.append(Contestant("limit", connections, self.by_statement(statement, connections), seconds, rounds))
            if self.full or connections == 1:
                slow = waiting(milliseconds, connections) > SLOW
                contestants.append(Contestant("textbook", connections, self.by_textbook(book, connections, slow), settings.seconds, 1 if slow else rounds))
        if self.full and question.key in SAME_BYTES:
            same = servers.enter_context(limits.SameBytes(server, answer))
            for connections in CONNECTIONS:
                contestants.append(Contestant("same_bytes", connections, self.by_same_bytes(same, question, connections), settings.seconds, settings.rounds))
        known = {
            "name": question.name, "key": question.key, "group": question.group, "path": question.path, "body": question.body, "total": total,
            "limit": question.limit, "offset": question.offset, "count_only": question.count_only, "bytes": len(answer), "textbook": book,
        }
        return known, contestants

    def agree(self, question, scopes):
        """Checks the answer of a question and measures nothing: the textbook's statements."""
        answer, _ = self.server.ask(question.path, question.body)
        return self.check(question, scopes, json.loads(answer), limits.statement(self.settings.tagd, question, scopes))[0]

    def check(self, question, scopes, answer, statement):
        """Ends the program unless tagd, its statement and all textbook forms agree; returns the fastest forms and their time."""
        total = answer["total_count"]
        alone = statement.total(self.server, self.session)
        if alone != total:
            fail(f"{question.name}: tagd says {total}, its statement {alone}")
        pages, counts = textbook.statements(question.forms, question, scopes)
        count, milliseconds, said = textbook.choose(self.server, counts)
        if not said or any(int(one) != total for one in said):
            fail(f"{question.name}: tagd says {total}, SQL {said}")
        book = [count]
        if pages:
            page, more, said = textbook.choose(self.server, pages)
            ids = [resource["resource_id"] for resource in answer["resources"]]
            if not said or any([row.split("|")[0] for row in one.splitlines()] != ids for one in said):
                fail(f"{question.name}: the page of tagd and those of the textbook differ")
            book, milliseconds = [page, count], milliseconds + more
        return book, milliseconds

    # ---- contestants

    def over_http(self, question, connections, projects=0):
        server = self.server

        def load(seconds):
            figures = self.settings.load.run(server, server.address, question.path, question.body, connections, seconds, projects)
            if connections == max(CONNECTIONS):
                self.load_rss = max(self.load_rss, server.memory("VmRSS"))
            return figures

        def run(seconds):
            return server.metered(lambda: load(seconds))

        return run

    def by_statement(self, statement, connections):
        script, variables = statement.script()
        return lambda seconds: pgbench(self.server, script, connections, seconds, self.session, variables)

    def by_textbook(self, statements, connections, once):
        return self.by_script("".join(f"{statement};\n" for statement in statements), connections, once)

    def by_script(self, script, connections, once=False):
        options = textbook.options(textbook.SETTINGS)
        return lambda seconds: pgbench(self.server, script, connections, seconds, options, once=once)

    def by_same_bytes(self, same, question, connections):
        return lambda seconds: self.settings.load.run(self.server, same.address, question.path, question.body, connections, seconds)

    # ---- many projects

    def ask_projects(self):
        """Questions to a random project each time, and the textbook's over a random scope."""
        settings, server = self.settings, self.server
        known = server.psql("select min(scope_id) || ' ' || max(scope_id) || ' ' || count(*) from tagd.scope")
        if known != f"1 {self.projects} {self.projects}":
            fail(f"the scopes of the fleet are not as thought: {known}")
        some = random.Random(1).sample(range(self.projects), min(3, self.projects))
        for number, question in enumerate(questions.of_projects(questions.PROJECT)):
            if not settings.wants(question):
                continue
            for project in (f"{one:032x}" for one in some):
                asked, scopes = questions.of_projects(project)[number], self.scopes(project)
                book = self.agree(asked, scopes)
            # the statements of the last fleet, with a changing scope
            statements = [statement.replace(f"scope_id = {scopes[0]} ", "scope_id = :scope ") for statement in book]
            script = "".join(f"{line}\n" for line in [f"\\set scope random(1, {self.projects})"] + [f"{statement};" for statement in statements])
            # the first request to a project looks up its scope, which is then cached: that is not measured here
            self.over_http(question, max(CONNECTIONS), self.projects)(settings.seconds * 3)
            contestants = []
            for connections in CONNECTIONS:
                contestants.append(Contestant("http", connections, self.over_http(question, connections, self.projects), settings.seconds, settings.rounds))
                contestants.append(Contestant("textbook", connections, self.by_script(script, connections), settings.seconds, settings.rounds))
            hold(contestants)
            figures = {"name": question.name, "key": question.key, "group": question.group, "body": question.body, "runs": outcome(contestants)}
            self.add(figures)
            log(f"{self.name}: {question.name}: {self.summary(figures)}")

    # ---- after a question

    def add(self, figures):
        self.result["questions"].append(figures)
        self.result["load_rss"], self.result["peak_rss"] = self.load_rss, self.server.memory("VmHWM")
        self.settings.keep()

    @staticmethod
    def summary(figures):
        said = []
        for name, runs in figures["runs"].items():
            rates = "/".join(f"{run['rate']:,.0f}" if run["rate"] >= 10 else f"{run['rate']:.2f}" for run in runs.values())
            said.append(f"{name} {rates}")
        total = f"{figures['total']:,} match; " if "total" in figures else ""
        return total + ", ".join(said) + " a second"


def ask(fleets, questions_of):
    """Measures every question of `questions_of(resources)` on all fleets in turn, so that noise affects all alike."""
    settings, last = fleets[-1].settings, fleets[-1]
    asked = [(fleet, {question.name: question for question in questions_of(fleet.resources) if fleet.wants(question)}) for fleet in fleets]
    scopes = {fleet.name: fleet.scopes() for fleet, questions_asked in asked if questions_asked}
    names = list(asked[-1][1])
    for number, name in enumerate(names, 1):
        said = f"question {number} of {len(names)}: {name}"
        these = [(fleet, questions_asked[name]) for fleet, questions_asked in asked if name in questions_asked]
        if settings.quick and (number - 1) % QUICK_STEP and these[-1][1].key != "half":
            for fleet, question in these:
                fleet.agree(question, scopes[fleet.name])
            log(f"{last.name}, {said}: everyone agrees")
            continue
        with contextlib.ExitStack() as servers:
            entered = [(fleet, *fleet.enter(question, scopes[fleet.name], servers)) for fleet, question in these]
            hold([contestant for _, _, contestants in entered for contestant in contestants])
        for fleet, known, contestants in entered:
            known["runs"] = outcome(contestants)
            fleet.add(known)
            log(f"{fleet.name}, {said}: {fleet.summary(known)}")
