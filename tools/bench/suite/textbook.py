"""Plain tables with the indexes that a careful DBA would give them, and several forms of SQL for each kind of question.

A form is SQL with `$scope` (or `$scopes`), and where it makes a page with `$offset`, `$limit` and their sum `$first`.
Pages answer slots from high to low; `page_sql` makes resources with their tags of them. Which form is the fastest is
found out by running them (`choose`), for the page and for the count by themselves.
"""
import re
import string

# session settings; the rest is as tagd's private Postgres has it
SETTINGS = {"jit": "off", "random_page_cost": "1.1", "work_mem": "64MB", "search_path": "public"}

SETUP = """
create extension if not exists pg_trgm schema public;
create schema book;
create table book.scope as
select s.scope_id, p.domain_id, p.project_id, p.project_name, s.resource_type, t.service
  from tagd.scope s join tagd.project p using (project_id) join tagd.resource_type t using (resource_type);
alter table book.scope add primary key (scope_id);
create index on book.scope (project_id);
create table book.resource as select scope_id, slot, registered_at, resource_id, resource_name, detail from tagd.resource order by 1, 2;
alter table book.resource add primary key (scope_id, slot);
create index on book.resource using gin (lower(resource_name) public.gin_trgm_ops);
create table book.tag as select scope_id, slot, key, value from tagd.tag order by 1, 2, 3;
alter table book.tag add primary key (scope_id, slot, key) include (value);
create unique index tag_by_value on book.tag (scope_id, key, value, slot desc);
create table book.value as select distinct scope_id, key, value from book.tag;
alter table book.value add primary key (scope_id, key, value);
create index on book.value using gin (value public.gin_trgm_ops);
vacuum analyze;
"""

# a form that takes longer than this is excluded
PATIENCE = 20


class Forms:
    """The forms of one question: of its page and of its count."""

    def __init__(self, pages, counts):
        self.pages, self.counts = pages, counts


# ---- pieces; `{t}` is the tag that a condition is about, `{slot}` the resource


def is_tag(key, *values):
    if not values:
        return f"{{t}}.key = '{key}'"
    if len(values) == 1:
        return f"{{t}}.key = '{key}' and {{t}}.value = '{values[0]}'"
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{{t}}.key = '{key}' and {{t}}.value in ({listed})"


def any_of(wheres):
    return "(" + " or ".join(f"({where})" for where in wheres) + ")"


def tags(where):
    return "from book.tag t where t.scope_id = $scope and " + where.replace("{t}", "t")


def has(where):
    return "exists (select from book.tag o where o.scope_id = $scope and o.slot = {slot} and " + where.replace("{t}", "o") + ")"


def newest(select, slot="t.slot"):
    return f"{select} order by {slot} desc offset $offset limit $limit"


def resources(condition):
    return "from book.resource r where r.scope_id = $scope and " + condition.replace("{slot}", "r.slot")


def walk(condition):
    """From the newest resource on, until the page is full."""
    return newest(f"select r.slot {resources(condition)}", "r.slot")


def tally(condition):
    return f"select count(*) {resources(condition)}"


def less(count):
    """All resources minus those that another statement counts."""
    return f"select ({tally('true')}) - ({count})"


# ---- kinds of questions


def everything():
    return Forms([walk("true")], [tally("true")])


def one_tag(where):
    """At most one such tag on a resource."""
    return Forms([newest(f"select t.slot {tags(where)}"), walk(has(where))], [f"select count(*) {tags(where)}"])


def newest_of_each(wheres):
    return " union all ".join(f"(select t.slot {tags(where)} order by t.slot desc limit $first)" for where in wheres)


def one_of(key, *values):
    """Several values of one key, of which a resource has at most one."""
    forms = one_tag(is_tag(key, *values))
    forms.pages.append(newest(f"select u.slot from ({newest_of_each(is_tag(key, value) for value in values)}) u", "u.slot"))
    return forms


def both(a, b):
    joined = (
        f"from book.tag t join book.tag o on o.scope_id = $scope and o.slot = t.slot and {b.replace('{t}', 'o')}"
        f" where t.scope_id = $scope and {a.replace('{t}', 't')}"
    )
    met = f"select t.slot {tags(a)} intersect select t.slot {tags(b)}"
    condition = f"{has(a)} and {has(b)}"
    return Forms(
        [newest(f"select t.slot {joined}"), newest(f"select m.slot from ({met}) m", "m.slot"), walk(condition)],
        [f"select count(*) {joined}", f"select count(*) from ({met}) m", tally(condition)],
    )


def either(*wheres):
    union = " union ".join(f"select t.slot {tags(where)}" for where in wheres)
    apart = "(" + " or ".join(has(where) for where in wheres) + ")"
    return Forms(
        [
            newest(f"select u.slot from (select distinct b.slot from ({newest_of_each(wheres)}) b) u", "u.slot"),
            walk(has(any_of(wheres))),
            walk(apart),
        ],
        [f"select count(*) from ({union}) u", f"select count(distinct t.slot) {tags(any_of(wheres))}", tally(apart)],
    )


def neither(*wheres):
    """None of these tags; with one of them a plain not."""
    apart = " and ".join(f"not {has(where)}" for where in wheres)
    together = f"not {has(any_of(wheres))}"
    counts = [tally(apart), tally(together)] + [less(count) for count in either(*wheres).counts[:2]]
    if len(wheres) == 1:
        # a resource has each key at most once
        counts.append(less(f"select count(*) {tags(wheres[0])}"))
    return Forms([walk(apart), walk(together)], counts)


def untagged():
    none = f"not {has('true')}"
    return Forms([walk(none)], [tally(none), less(f"select count(*) from (select distinct t.slot {tags('true')}) d")])


def fuzzy(key, part):
    like = f"like '%{part}%'"
    known = (
        "from book.value v join book.tag t on t.scope_id = $scope and t.key = v.key and t.value = v.value"
        f" where v.scope_id = $scope and v.key = '{key}' and v.value {like}"
    )
    forms = one_tag(f"{{t}}.key = '{key}' and {{t}}.value {like}")
    forms.pages.append(newest(f"select t.slot {known}"))
    forms.counts.append(f"select count(*) {known}")
    return forms


def name(part):
    by_index = f"lower(r.resource_name) like '%{part}%'"
    # another expression keeps the planner off the trigram index
    by_looking = f"lower(r.resource_name) || '' like '%{part}%'"
    found = f"with m as materialized (select r.slot {resources(by_index)})"
    return Forms([walk(by_index), walk(by_looking), newest(f"{found} select m.slot from m", "m.slot")], [tally(by_index), tally(by_looking)])


def mixed(leading, *conditions):
    """A tag as the starting point, and conditions on its resource."""
    rest = " and ".join(conditions).replace("{slot}", "t.slot")
    whole = " and ".join((has(leading),) + conditions)
    return Forms([walk(whole), newest(f"select t.slot {tags(leading)} and {rest}")], [tally(whole), f"select count(*) {tags(leading)} and {rest}"])


def over_scopes(where):
    """One tag over several scopes, the first scope's resources first: slots with their scope."""
    each, where = "from (values $scopes) s (rank, scope_id)", where.replace("{t}", "t")
    of_each = f"from book.tag t where t.scope_id = s.scope_id and {where}"
    page = f"select t.scope_id, t.slot, s.rank {each} cross join lateral (select t.scope_id, t.slot {of_each} order by t.slot desc limit $first) t"
    return Forms(
        [f"{page} order by s.rank, t.slot desc offset $offset limit $limit"],
        [
            f"select count(*) {each} join book.tag t on t.scope_id = s.scope_id and {where}",
            f"select sum(c.n)::int8 {each} cross join lateral (select count(*) as n {of_each}) c",
        ],
    )


# ---- from forms to statements


def page_sql(slots):
    """The page with its tags as JSON."""
    scope, order = ("page.scope_id", "page.rank, page.slot desc") if "s.rank" in slots else ("$scope", "page.slot desc")
    return (
        f"with page as materialized ({slots}) select r.resource_id, r.resource_name, r.detail, "
        f"(select json_agg(json_build_object('key', t.key, 'value', t.value) order by t.key) from book.tag t where t.scope_id = {scope} and t.slot = r.slot) "
        f"from page join book.resource r on r.scope_id = {scope} and r.slot = page.slot order by {order}"
    )


def statements(forms, question, scopes):
    """All pages and all counts of a question, ready to run; no pages if the question only counts."""
    values = {
        "scope": str(scopes[0]), "scopes": ", ".join(f"({rank}, {scope}::int8)" for rank, scope in enumerate(scopes, 1)),
        "offset": question.offset, "limit": question.limit, "first": question.offset + question.limit,
    }
    fill = lambda sql: string.Template(sql).substitute(values)
    pages = [] if question.count_only else [fill(page_sql(page)) for page in forms.pages]
    return pages, [fill(count) for count in forms.counts]


def options(settings):
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def timed(server, statement):
    """Milliseconds of a statement that has run before, and its result; None if it takes too long."""
    seen = server.psql(f"\\timing on\n{statement};\n{statement};\n", settings=options(SETTINGS), patience=PATIENCE)
    if seen is None:
        return None, None
    _, answer, _ = re.split(r"^Time: .*$", seen + "\n", flags=re.M)
    return float(re.findall(r"^Time: ([0-9.]+) ms", seen, re.M)[-1]), answer.strip()


def choose(server, candidates):
    """The fastest of the statements, its milliseconds, and the results of all that finished in time."""
    tried = [(milliseconds, statement, answer) for statement in candidates for milliseconds, answer in [timed(server, statement)] if milliseconds is not None]
    if not tried:
        return None, float("inf"), []
    milliseconds, statement, _ = min(tried, key=lambda one: one[0])
    return statement, milliseconds, [answer for _, _, answer in tried]
