"""The questions: a request body in a dialect, and the forms of textbook SQL with the same answer.

The values are chosen by their share of the fleet of tools/bench/fleet.py, which is the same at every size.
"""
import json

from . import textbook
from .textbook import any_of, has, is_tag

PROJECT = "0" * 32
IMS = "/v2/{}/images/resource_instances/action"
TMS = "/v1.0/resource-instances/filter"
TMS_TYPES = ("images", "ecs", "disk", "vpcs", "eip")


class Question:
    """One question; `key` is a short name for pictures and for the other products."""

    def __init__(self, group, name, forms, body, limit=10, offset=0, count_only=False, path=IMS.format(PROJECT), key=None):
        self.group, self.name, self.forms, self.key = group, name, forms, key
        self.limit, self.offset, self.count_only, self.path = limit, offset, count_only, path
        if path == TMS:
            self.fields = dict(body, limit=limit, offset=offset)
        elif count_only:
            self.fields = dict(body, action="count")
        else:
            self.fields = dict(body, action="filter", limit=limit, offset=offset)
        self.body = json.dumps(self.fields, separators=(",", ":"))


def one(key, *values):
    return {"key": key, "values": list(values)}


HALF = {"tags": [one("env", "env-0")]}


def of_images(total):
    """Every question to one project of `total` images."""
    one_tag, half = textbook.one_tag, textbook.one_tag(is_tag("env", "env-0"))
    and_forms = textbook.both(is_tag("team", "team-7"), is_tag("env", "env-0"))
    and_body = {"tags": [one("env", "env-0"), one("team", "team-7")]}
    tags = "tags"
    found = [
        Question(tags, "a tag on 1 resource in 10,000", one_tag(is_tag("cost", "cost-900")), {"tags": [one("cost", "cost-900")]}, key="rare"),
        Question(tags, "a tag on 1 resource in 1,000", one_tag(is_tag("owner", "owner-90")), {"tags": [one("owner", "owner-90")]}, key="selective"),
        Question(tags, "a tag on half the fleet", half, HALF, key="half"),
        Question(tags, "AND of two, 1 % of the fleet", and_forms, and_body, key="and"),
        Question(
            tags, "AND of two broad tags", textbook.both(is_tag("env", "env-0"), is_tag("region", "region-0")),
            {"tags": [one("env", "env-0"), one("region", "region-0")]}, key="and_broad",
        ),
        Question(
            tags, "OR of three over three keys", textbook.either(is_tag("app", "app-2"), is_tag("team", "team-7"), is_tag("owner", "owner-1")),
            {"tags_any": [one("app", "app-2"), one("team", "team-7"), one("owner", "owner-1")]}, key="or",
        ),
        Question(tags, "OR of three values of a key", textbook.one_of("app", "app-1", "app-4", "app-9"), {"tags": [one("app", "app-1", "app-4", "app-9")]}, key="or_values"),
        Question(tags, "NOT a tag", textbook.neither(is_tag("env", "env-0")), {"not_tags": [one("env", "env-0")]}, key="not"),
        Question(
            tags, "NOT ANY of two tags", textbook.neither(is_tag("env", "env-0"), is_tag("team", "team-7")),
            {"not_tags_any": [one("env", "env-0"), one("team", "team-7")]}, key="not_any",
        ),
        Question(tags, "any value of a key", one_tag(is_tag("team")), {"tags": [one("team")]}, key="key"),
        Question(tags, "untagged", textbook.untagged(), {"without_any_tag": True}, key="untagged"),
        Question(
            tags, "all lists at once",
            textbook.mixed(
                is_tag("env", "env-0"), has(any_of([is_tag("team", "team-1"), is_tag("app", "app-2")])),
                f"not ({has(is_tag('region', 'region-0'))} and {has(is_tag('app', 'app-0'))})", f"not {has(is_tag('owner', 'owner-0'))}",
            ),
            {
                "tags": [one("env", "env-0")], "tags_any": [one("team", "team-1"), one("app", "app-2")],
                "not_tags": [one("region", "region-0"), one("app", "app-0")], "not_tags_any": [one("owner", "owner-0")],
            },
            key="all_lists",
        ),
    ]
    texts = "texts"
    found += [
        Question(texts, "part of a value, key of 5 values", textbook.fuzzy("region", "gion-1"), {"tags": [one("region", "*gion-1")]}, key="fuzzy_few"),
        Question(texts, "part of a value, key of 20,000, 11 match", textbook.fuzzy("cost", "-1999"), {"tags": [one("cost", "*-1999")]}, key="fuzzy"),
        Question(texts, "part of a value, key of 20,000, 11,111 match", textbook.fuzzy("cost", "-1"), {"tags": [one("cost", "*-1")]}, key="fuzzy_broad"),
        Question(texts, "part of a name, selective", textbook.name("web-00f"), {"matches": [{"key": "resource_name", "value": "web-00f"}]}, key="name"),
        Question(texts, "part of a name, selective, no separator", textbook.name("00f1"), {"matches": [{"key": "resource_name", "value": "00f1"}]}, key="name_plain"),
        Question(texts, "part of a name, 1 in 8", textbook.name("gateway"), {"matches": [{"key": "resource_name", "value": "gateway"}]}, key="name_broad"),
    ]
    counts = "counts"
    found += [
        Question(counts, "count: a tag on half the fleet", half, HALF, count_only=True, key="count_half"),
        Question(counts, "count: AND of two", and_forms, and_body, count_only=True, key="count_and"),
    ]
    pages = "pages"
    found += [Question(pages, f"half the fleet, page of {limit:,}", half, HALF, limit=limit, key=f"page_{limit}") for limit in (100, 1000)]
    for share, words in ((0, "0"), (0.5, "in the middle"), (0.99, "near the end")):
        found.append(Question("offsets", f"no filter, offset {words}", textbook.everything(), {}, offset=int(total * share), key=f"all_{share}"))
    # the tag is on 45 %, as some resources leave out its key
    for share, words in ((0.5, "in the middle"), (0.99, "near the end")):
        found.append(Question("offsets", f"half the fleet, offset {words}", half, HALF, offset=int(total * 0.449 * share), key=f"half_{share}"))
    return found


def of_types():
    """The question across types."""
    forms = textbook.over_scopes(is_tag("env", "env-0"))
    body = {"project_id": PROJECT, "resource_types": list(TMS_TYPES), "tags": [one("env", "env-0")]}
    selective = {"project_id": PROJECT, "resource_types": list(TMS_TYPES), "tags": [one("owner", "owner-90")]}
    return [
        Question("types", "five types, a tag on half of all", forms, body, path=TMS, key="types"),
        Question("types", "five types, a tag on 1 in 1,000", textbook.over_scopes(is_tag("owner", "owner-90")), selective, path=TMS, key="types_selective"),
    ]


def of_projects(project):
    """Questions to a different project each time; the paths have the placeholder `project`."""
    path = IMS.format(project)
    return [
        Question("projects", "a tag on half of a project", textbook.one_tag(is_tag("env", "env-0")), HALF, path=path, key="projects_half"),
        Question(
            "projects", "AND of two", textbook.both(is_tag("team", "team-7"), is_tag("env", "env-0")),
            {"tags": [one("env", "env-0"), one("team", "team-7")]}, path=path, key="projects_and",
        ),
        Question("projects", "untagged", textbook.untagged(), {"without_any_tag": True}, path=path, key="projects_untagged"),
    ]
