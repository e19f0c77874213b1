"""The reports: each view of the schema `report` beside the same question as textbook SQL."""
import itertools
import json
import os
import re
import string

from . import textbook
from .contest import median
from .place import TARGET, fail, log
from .questions import PROJECT, one
from .textbook import has, is_tag

# resources that are changed twice, so that there is a history, and administrative acts
CHANGED = 10_000
ACTS = 10_000

# a statement that takes longer than this many seconds is run once instead of in every round
SLOW = 10

# a statement that takes longer than this many seconds is excluded
PATIENCE = 120

# whoever reads reports, with the settings of the server
READER = "-c role=tagd_reader"

# history and audit as plain tables; the others are those of textbook.SETUP
SETUP = """
drop table if exists book.change, book.audit;
create table book.change as
select h.change_id, h.domain_id, s.project_id, s.resource_type, h.resource_id, h.changed_at, h.operation, h.principal, h.credential_id, h.request_id, h.old_name, h.new_name,
       jsonb_object(h.old_tags) as old_tags, jsonb_object(h.new_tags) as new_tags
  from tagd.history h join tagd.scope s using (scope_id);
alter table book.change add primary key (change_id);
create index on book.change (project_id, resource_type, changed_at);
create table book.audit as select * from tagd.audit;
alter table book.audit add primary key (entry_id);
vacuum analyze;
"""


class Report:
    """A report: the view's statement, and forms of SQL with the same rows. `$scope`, `$resource`, `$tag` and `$change` are whole tables or what they
    have of one project."""

    def __init__(self, name, *forms, view=None, where=None, is_global=False):
        # `view`: a statement about one project; `where`: a condition of the reader's; `is_global`: it knows no projects
        self.name, self.forms, self.view, self.where, self.is_global = name, forms, view, where, is_global
        # for --only
        self.group = self.key = "reports"

    def statement(self, scope):
        """About everything, or about the first project, whose number is `scope`."""
        if self.view:
            return self.view
        conditions = [f"project_id = '{PROJECT}' and resource_type = 'images'"] * bool(scope) + [self.where] * bool(self.where)
        return f"select * from report.{self.name.split()[0]}" + (f" where {' and '.join(conditions)}" if conditions else "")

    def textbook(self, scope):
        """The forms about the same."""
        of_scope = lambda table: f"(select * from book.{table} where scope_id = {scope})" if scope else f"book.{table}"
        values = {table: of_scope(table) for table in ("scope", "resource", "tag")}
        values["change"] = f"(select h.* from book.change h join book.scope s using (project_id, resource_type) where s.scope_id = {scope})" if scope else "book.change"
        return [string.Template(form).substitute(values, scope_id=scope) for form in self.forms]


OF_SCOPE = "s.domain_id, s.project_id, s.project_name, s.resource_type"
BY_USERS = "not starts_with(t.key, '_sys_')"

SCOPES = f"""
select {OF_SCOPE}, s.service, n.resources, coalesce(u.tagged, 0) as tagged, n.resources - coalesce(u.tagged, 0) as untagged,
       round(100.0 * coalesce(u.tagged, 0) / n.resources, 2) as tagged_percent
  from $scope s
  join (select r.scope_id, count(*) as resources from $resource r group by 1) n using (scope_id)
  left join (%s) u using (scope_id)"""

KEYS = f"""
select {OF_SCOPE}, k.key, starts_with(k.key, '_sys_') as is_system, k.resources
  from $scope s join (select t.scope_id, t.key, count(*) as resources from $tag t group by 1, 2) k using (scope_id)"""

PAIRS = f"""
select {OF_SCOPE}, k.key, k.value, starts_with(k.key, '_sys_') as is_system, k.resources
  from $scope s join (select t.scope_id, t.key, t.value, count(*) as resources from $tag t %s group by 1, 2, 3) k using (scope_id)"""

COVERAGE = f"""
with n as (select r.scope_id, count(*) as resources from $resource r group by 1),
     h as (select t.scope_id, t.key, count(*) as resources from $tag t group by 1, 2),
     k as (select distinct s.project_id, h.key from h join book.scope s using (scope_id))
select {OF_SCOPE}, k.key, starts_with(k.key, '_sys_') as is_system, coalesce(h.resources, 0) as with_key, n.resources - coalesce(h.resources, 0) as without_key,
       round(100.0 * coalesce(h.resources, 0) / n.resources, 2) as percent
  from $scope s join n using (scope_id) join k on k.project_id = s.project_id left join h on h.scope_id = s.scope_id and h.key = k.key"""

UNTAGGED = f"""
select {OF_SCOPE}, r.resource_id, r.resource_name, r.registered_at, r.slot
  from $scope s join $resource r using (scope_id)
 where not exists (select from book.tag t where t.scope_id = r.scope_id and t.slot = r.slot and {BY_USERS})"""

TAGS_PER_RESOURCE = f"""
select {OF_SCOPE}, n.tags_count, n.resources
  from $scope s
  join (select r.scope_id, coalesce(t.tags_count, 0) as tags_count, count(*) as resources
          from $resource r
          left join (select t.scope_id, t.slot, count(*)::int4 as tags_count from $tag t where {BY_USERS} group by 1, 2) t on t.scope_id = r.scope_id and t.slot = r.slot
         group by 1, 2) n using (scope_id)"""

RESOURCES = f"""
select {OF_SCOPE}, r.resource_id, r.resource_name, coalesce(t.by_users, 0) as tags_count, coalesce(t.all_tags - t.by_users, 0) as system_tags_count,
       coalesce(t.tags, '{{}}') as tags, r.detail::jsonb as detail, r.registered_at, r.slot
  from $scope s
  join $resource r using (scope_id)
  left join (select t.scope_id, t.slot, count(*) filter (where {BY_USERS})::int4 as by_users, count(*)::int4 as all_tags, jsonb_object_agg(t.key, t.value) as tags
               from $tag t group by 1, 2) t on t.scope_id = r.scope_id and t.slot = r.slot"""

TAGS = f"""
select {OF_SCOPE}, r.resource_id, r.resource_name, t.key, t.value, starts_with(t.key, '_sys_') as is_system
  from $scope s join $tag t using (scope_id) join $resource r on r.scope_id = t.scope_id and r.slot = t.slot"""

CHANGES = f"""
select h.domain_id, h.project_id, coalesce(s.project_name, '') as project_name, h.resource_type, h.resource_id, h.changed_at, h.operation,
       h.principal, h.credential_id, h.request_id, h.old_name, h.new_name, h.old_tags, h.new_tags
  from $change h left join book.scope s on s.project_id = h.project_id and s.resource_type = h.resource_type"""

AUDIT = "select a.recorded_at, a.operation, a.object, a.domain_id, a.principal, a.credential_id, a.request_id, a.address, a.detail from book.audit a"

OF_USERS = f"select t.scope_id, %s as tagged from $tag t where {BY_USERS} group by 1"

REPORTS = [
    Report(
        "scopes", SCOPES % (OF_USERS % "count(distinct t.slot)"),
        SCOPES % f"select d.scope_id, count(*) as tagged from (select distinct t.scope_id, t.slot from $tag t where {BY_USERS}) d group by 1",
    ),
    Report("keys", KEYS),
    Report("pairs", PAIRS % ""),
    Report("pairs of one key", PAIRS % "where t.key = 'team'", where="key = 'team'"),
    Report("coverage", COVERAGE),
    Report("untagged", UNTAGGED),
    Report("tags_per_resource", TAGS_PER_RESOURCE),
    Report("resources", RESOURCES),
    Report("tags", TAGS),
    Report("changes", CHANGES),
    Report("audit", AUDIT, is_global=True),
    # about the index and the files, for which plain tables have no question
    Report("index_health"),
    Report("storage", is_global=True),
]

MATCHED = """
select r.resource_id, r.resource_name, %s as tags, r.registered_at, r.slot
  from book.resource r %s where r.scope_id = $scope_id and %s"""
BY_LOOKUP = ("(select coalesce(jsonb_object_agg(t.key, t.value), '{}') from book.tag t where t.scope_id = r.scope_id and t.slot = r.slot)", "")
BY_JOIN = (
    "coalesce(t.tags, '{}')",
    "left join (select t.slot, jsonb_object_agg(t.key, t.value) as tags from book.tag t where t.scope_id = $scope_id group by 1) t on t.slot = r.slot",
)


def matching(words, query, condition):
    """report.matching with a query in the first project."""
    condition = condition.replace("$scope", "$scope_id").replace("{slot}", "r.slot")
    view = f"select * from report.matching('{PROJECT}', 'images', '{json.dumps(query)}')"
    return Report(f"matching: {words}", *(MATCHED % (*tags, condition) for tags in (BY_LOOKUP, BY_JOIN)), view=view)


env, team = is_tag("env", "env-0"), is_tag("team", "team-7")
MATCHING = [
    matching("a tag on 1 resource in 1,000", {"tags": [one("owner", "owner-90")]}, has(is_tag("owner", "owner-90"))),
    matching("AND of two, 1 %", {"tags": [one("env", "env-0"), one("team", "team-7")]}, f"{has(env)} and {has(team)}"),
    matching("NOT ANY of two tags", {"not_tags_any": [one("env", "env-0"), one("team", "team-7")]}, f"not {has(env)} and not {has(team)}"),
    matching("untagged", {"without_any_tag": True}, f"not {has('true')}"),
]


def wanted(settings):
    return [report for report in REPORTS + MATCHING if settings.wants(report)]


def measure(settings, fleet):
    """The times of all reports on a fleet; a server of it runs, with the textbook's tables."""
    server = fleet.server
    prepare(fleet)
    found = {"name": fleet.name, "resources": fleet.total, "projects": fleet.projects, "reports": []}
    scope = int(server.psql(f"select scope_id from tagd.scope where project_id = '{PROJECT}'"))
    for report in wanted(settings):
        ways = ["whole"] if fleet.projects == 1 or report.is_global else ["one project"] if report.view else ["whole", "one project"]
        asked = {way: against_textbook(settings, server, report, scope if report.view or way == "one project" else None) for way in ways}
        found["reports"].append({"name": report.name, "asked": asked})
        said = [f"{way}: {one['rows']:,} rows, view {shown(one['view'])}, textbook {shown(one['textbook'])}" for way, one in asked.items()]
        log(f"{fleet.name}, report {report.name}: {'; '.join(said)}")
    return found


def shown(figures):
    return f"{figures['ms']:,.1f} ms" if figures else "-"


def prepare(fleet):
    """Something in the history and in the audit log: the tags are the same again afterwards."""
    server = fleet.server
    changed, same = (os.path.join(TARGET, f"{name}-{os.path.basename(fleet.file)}") for name in ("changed", "same"))
    with open(fleet.file, encoding="utf-8") as lines, open(changed, "w", encoding="utf-8") as with_tag, open(same, "w", encoding="utf-8") as without:
        for line in itertools.islice(lines, CHANGED):
            resource = json.loads(line)
            without.write(line)
            resource["tags"].append({"key": "reviewed", "value": "2026-11"})
            with_tag.write(json.dumps(resource) + "\n")
    for file in (changed, same):
        server.load(file)
    server.psql(
        f"select from generate_series(1, {ACTS}) n, tagd.record_act('(ops,req-1,,,)'::tagd.caller, 'project.put', lpad(n::text, 32, '0'), 'd', '{{\"name\": \"shop\"}}')"
    )
    server.psql(SETUP)


def against_textbook(settings, server, report, scope):
    """Times of a report and of its textbook SQL by turns, after their rows have been compared."""
    view = report.statement(scope)
    milliseconds, digest = compared(server, view, READER)
    if digest is None:
        fail(f"{report.name}: {view} takes longer than {PATIENCE} s")
    options = textbook.options(textbook.SETTINGS)
    forms = []
    for form in report.textbook(scope):
        taken, theirs = compared(server, form, options)
        if theirs not in (None, digest):
            fail(f"{report.name}: the rows of the view and of the textbook differ: {digest}, {theirs}\n{view}\n{form}")
        if theirs:
            forms.append((taken, form))
    contestants = {"view": (view, READER, milliseconds)}
    if forms:
        taken, form = min(forms)
        contestants["textbook"] = (form, options, taken)
    runs = {name: [] for name in contestants}
    for turn in range(settings.rounds):
        for name, (statement, with_options, before) in contestants.items():
            if turn == 0 or before < SLOW * 1000:
                runs[name].append(timed(server, statement, with_options, before))
    found = {name: {"ms": median(times), "runs": [round(time, 2) for time in times]} for name, times in runs.items()}
    return {"rows": int(digest.split()[0]), "view": found["view"], "textbook": found.get("textbook"), "sql": contestants["textbook"][0] if forms else None}


def compared(server, statement, options):
    """Milliseconds of a statement, with the number and a hash of its rows; None if it takes too long."""
    rows = f"select count(*) || ' ' || coalesce(sum(hashtextextended(q::text, 0)), 0) from ({statement}) q"
    seen = server.psql(f"\\timing on\n{rows};", settings=options, patience=PATIENCE)
    if seen is None:
        return None, None
    return clock(seen)[-1], seen.split("\n")[0]


def timed(server, statement, options, before):
    """Milliseconds of a statement with all rows sent to the client as text.

    By copy: no column may be left out, and the client keeps nothing. A session reads the catalogue the first time it plans a
    statement, and compiles functions the first time it runs them, so the second time counts; a statement that took longer
    `before` is only planned twice.
    """
    copy = f"copy ({statement}) to stdout;"
    first = copy if before < 1000 else f"explain {statement};"
    seen = server.psql(f"\\o /dev/null\n\\timing on\n{first}\n{copy}\n", settings=options)
    return clock(seen)[-1]


def clock(seen):
    return [float(time) for time in re.findall(r"^Time: ([0-9.]+) ms", seen, re.M)]
