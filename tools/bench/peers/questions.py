"""The questions and their correct totals, both computed from the fleet file and never from a peer."""
import collections
import itertools
import json

NAMES = ["selective", "and", "or", "not_any", "name", "untagged"]
SUBSTRINGS = ["web-00f", "web-00", "web-0", "web-"]


class Resource:
    __slots__ = ("slot", "id", "name", "detail", "tags")

    def __init__(self, slot, line):
        self.slot, self.id, self.name = slot, line["resource_id"], line["resource_name"]
        self.detail = line.get("resource_detail")
        self.tags = [f"{tag['key']}={tag['value']}" for tag in line["tags"]]


def resources(fleet, limit=None):
    """The first `limit` resources of the file, in its order; the slot counts from 1, and the newest is the last."""
    with open(fleet, encoding="utf-8") as lines:
        for slot, line in enumerate(itertools.islice(lines, limit), 1):
            yield Resource(slot, json.loads(line))


def project(fleet):
    with open(fleet, encoding="utf-8") as lines:
        return json.loads(next(lines))["project_id"]


def pair(tag):
    key, value = tag.split("=", 1)
    return key, value


def choose(fleet, limit=None):
    """The questions of a fleet, with the tags that have the shares in their names. Ties are broken by the tag's text."""
    tags, names, total = collections.Counter(), collections.Counter(), 0
    for one in resources(fleet, limit):
        total += 1
        tags.update(one.tags)
        for text in SUBSTRINGS:
            names[text] += text in one.name
    frequent = {tag for tag, count in tags.items() if count >= total / 100}
    pairs = collections.Counter()
    for one in resources(fleet, limit):
        pairs.update(itertools.combinations(sorted(frequent.intersection(one.tags)), 2))

    def nearest(counts, share):
        return min(counts, key=lambda what: (abs(counts[what] - share * total), what))

    by_key = collections.defaultdict(dict)
    for tag, count in tags.items():
        by_key[pair(tag)[0]][tag] = count
    # one value of each key: the nearest to 3 %, and the most common
    thirds = sorted((nearest(values, 0.03) for values in by_key.values()), key=lambda tag: (abs(tags[tag] - 0.03 * total), tag))
    common = sorted((max(sorted(values), key=values.get) for values in by_key.values()), key=lambda tag: (-tags[tag], tag))
    return {
        "selective": {"all": [nearest(tags, 0.001)]},
        # the rarer tag first, for peers that evaluate conditions in the given order
        "and": {"all": sorted(nearest(pairs, 0.01), key=lambda tag: (tags[tag], tag))},
        "or": {"any": sorted(thirds[:3])},
        "not_any": {"none": sorted(common[:2])},
        # the longest word that ten resources have
        "name": {"name": next((text for text in SUBSTRINGS if names[text] >= 10), SUBSTRINGS[-1])},
        "untagged": {"untagged": True},
    }


def matches(question, one):
    return (
        all(tag in one.tags for tag in question.get("all", []))
        and ("any" not in question or any(tag in one.tags for tag in question["any"]))
        and not any(tag in one.tags for tag in question.get("none", []))
        and question.get("name", "") in one.name
        and not (question.get("untagged") and one.tags)
    )


def expected(fleet, questions, limit=None):
    """For each question the total and the names of the newest ten, and the number of resources."""
    totals = dict.fromkeys(questions, 0)
    pages = {name: collections.deque(maxlen=10) for name in questions}
    count = 0
    for one in resources(fleet, limit):
        count += 1
        for name, question in questions.items():
            if matches(question, one):
                totals[name] += 1
                pages[name].append(one.name)
    return totals, {name: list(reversed(page)) for name, page in pages.items()}, count
