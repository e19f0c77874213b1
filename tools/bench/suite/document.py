"""docs/PERFORMANCE.md and its pictures from the raw figures of tools/bench/run."""
import os
import re

from . import plots
from .place import read

BEGIN, END = "<!-- written by hand: begin -->", "<!-- written by hand: end -->"
NOTES = "## What paid and what did not\n\n(To be written.)"


def rate(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(value):
    """The ratio of two rates as text."""
    return "" if value is None else f"{value:,.0f}" if value >= 20 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def ms(of_rate):
    return "" if not of_rate else f"{1000 / of_rate:.2f}" if of_rate > 10 else f"{1000 / of_rate:,.0f}"


def size(value):
    if not value:
        # without /proc there are no figures
        return ""
    return f"{value / 1e6:,.0f} MB" if value >= 10e6 else f"{value / 1e6:.1f} MB"


def table(head, rows):
    lines = ["| " + " | ".join(map(str, head)) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


class Figures:
    """The raw figures, looked up by question and contestant."""

    def __init__(self, results):
        self.results = results
        fleets = results["fleets"]
        self.images = [fleet for fleet in fleets if fleet["projects"] == 1 and fleet["types"] == ["images"]]
        self.types = [fleet for fleet in fleets if len(fleet["types"]) > 1]
        self.projects = [fleet for fleet in fleets if fleet["projects"] > 1]
        # a run of reports alone has fleets without questions
        self.images = [fleet for fleet in self.images if fleet["questions"]]
        self.largest = self.images[-1] if self.images else None

    @staticmethod
    def run(question, name, connections):
        return question["runs"].get(name, {}).get(str(connections))

    def rate(self, question, name, connections):
        found = self.run(question, name, connections)
        return found["rate"] if found else None

    def ratio(self, question, over, under, connections):
        a, b = self.rate(question, over, connections), self.rate(question, under, connections)
        return a / b if a and b else None

    @staticmethod
    def question(fleet, key):
        return next((question for question in fleet["questions"] if question["key"] == key), None)


def write(results, folder):
    """Writes page and pictures into a folder; returns the page's path."""
    page = os.path.join(folder, "PERFORMANCE.md")
    text = document(results, by_hand(read(page)))
    pictures(results, os.path.join(folder, "plots"))
    with open(page, "w", encoding="utf-8") as file:
        file.write(text)
    return page


def document(results, kept):
    figures = Figures(results)
    parts = [heading(results), how(results)]
    for part in (textbook, limits, same_bytes, growth, offsets, types, projects, reports, writes, peers, fleets):
        parts.append(part(figures))
    parts += [f"{BEGIN}\n{kept or NOTES}\n{END}"]
    return "\n\n".join(part for part in parts if part) + "\n"


def by_hand(text):
    """The text between the markers of an earlier document."""
    found = re.search(re.escape(BEGIN) + r"\n(.*?)\n" + re.escape(END), text, re.S)
    return found.group(1) if found else None


def heading(results):
    warning = "\n\n**These figures are of a quick run and mean nothing.**" if results["quick"] else ""
    return (
        "# Performance\n\nFigures of one run, written by `tools/bench/report`; only the text between the two markers at the end is written by hand. Trust"
        " ratios more than rates: everything that is compared was measured on the same machine, in the same minutes." + warning
    )


def how(results):
    machine = results["machine"]
    fleet = results["fleets"][0] if results["fleets"] else {}
    stolen = results.get("stolen")
    taken = "" if stolen is None else f"; {stolen:.1%} of the processors' time went to other machines of the same host"
    return f"""## How it was measured

```sh
make bench                                  # everything, about 45 minutes on two cores; needs wrk
make bench SIZES=10000,100000 ONLY=name     # some sizes, some questions
make bench-quick                            # only whether it all runs
./tools/bench/report                        # this page again, from target/bench/results.json
```

| | |
|---|---|
| date, commit | {results['date'][:16].replace('T', ' ')}, `{results['commit']}` |
| machine | {machine['processor']}, {machine['cores']} processors, {machine['memory'] / 2**30:.0f} GiB, {machine['system']} |
| other load | {machine['load_before']:.1f} processes were waiting for a processor at the start{taken} |
| Postgres | {fleet.get('postgres', '?')}, tagd's private one ({fleet.get('postgres_settings', '')}) |
| load | {results['load']}, on the same machine; {results['rounds']} rounds of {results['seconds']:g} s (3 rounds for several types and for many projects), medians |

- **Fleets** come from `tools/bench/fleet.py`: six keys of 3 to 20,000 values with a Zipf-like distribution, five tags a resource. They are the same on every machine.
- **tagd over HTTP**: release build, default settings, kept-alive connections, a page of 10 and the exact total unless a line says otherwise.
- **The limit** is the same statement with the same arguments and session settings in `pgbench -M prepared`, with as many connections. The
  difference from 1 is the cost of HTTP, JSON and the pool, and of the load generator on the same processors.
- **Textbook SQL** runs over plain tables (`tools/bench/suite/textbook.py`): tags by (scope, slot, key) and by (scope, key, value, slot), names by a
  trigram index, values in a separate table. A page with tags as JSON and the exact count are two statements. Of several forms of each the fastest
  was chosen beforehand. `pgbench -M prepared`, no HTTP, `jit` off, `random_page_cost` 1.1, `work_mem` 64 MB, analysed.
- All answers are correct: totals and pages of tagd, its statement and every textbook form were compared before the measurement, and the rows of reports."""


def textbook(figures):
    if not figures.largest:
        return ""
    one, many = figures.results["connections"]
    rows = []
    for question in figures.largest["questions"]:
        rows.append([
            question["name"], f"{question['total']:,}", rate(figures.rate(question, "http", one)), rate(figures.rate(question, "http", many)),
            rate(figures.rate(question, "textbook", one)), rate(figures.rate(question, "textbook", many)),
            times(figures.ratio(question, "http", "textbook", one)), times(figures.ratio(question, "http", "textbook", many)),
            times(figures.ratio(question, "limit", "textbook", one)), times(figures.ratio(question, "limit", "textbook", many)),
        ])
    head = [
        "question", "matches", f"tagd HTTP/s, {one}", many, f"textbook/s, {one}", many, f"HTTP / textbook, {one}", many, f"statement / textbook, {one}", many,
    ]
    return (
        f"## tagd beside textbook SQL\n\n{figures.largest['resources']:,} images in one project, with {one} and with {many} connections. The ratios are tagd's"
        f" rate divided by that of textbook SQL: first tagd over HTTP against SQL without HTTP, then statement against statement.\n\n![answers a second by question](plots/questions.svg)\n\n"
        + table(head, rows)
    )


def limits(figures):
    if not figures.largest:
        return ""
    one, many = figures.results["connections"]
    rows = []
    for question in figures.largest["questions"]:
        http = {connections: figures.run(question, "http", connections) for connections in (one, many)}
        number = lambda value: "" if value is None else f"{value:,.2f}" if value < 10 else f"{value:,.0f}"
        rows.append([
            question["name"], rate(figures.rate(question, "limit", one)), rate(figures.rate(question, "limit", many)),
            times(figures.ratio(question, "http", "limit", one)), times(figures.ratio(question, "http", "limit", many)),
            number(http[one]["p50_ms"]), number(http[one]["p99_ms"]), number(http[many]["p50_ms"]), number(http[many]["p99_ms"]),
            number(http[many]["tagd_cpu_us"]), number(http[many]["postgres_cpu_us"]),
        ])
    head = [
        "question", f"limit/s, {one}", many, f"HTTP / limit, {one}", many, f"p50 ms, {one}", "p99", f"p50 ms, {many}", "p99", "µs of tagd", "µs of Postgres",
    ]
    return (
        f"## tagd beside its limit\n\nThe same fleet. The last two columns are processor time for each request, with {many} connections.\n\n" + table(head, rows)
    )


def same_bytes(figures):
    if not figures.largest:
        return ""
    one, many = figures.results["connections"]
    rows = [
        [
            question["name"], f"{question['bytes']:,}", rate(figures.rate(question, "http", one)), rate(figures.rate(question, "http", many)),
            rate(figures.rate(question, "same_bytes", one)), rate(figures.rate(question, "same_bytes", many)),
            times(1 / (1 + figures.ratio(question, "limit", "same_bytes", one))), times(figures.ratio(question, "http", "limit", one)),
        ]
        for question in figures.largest["questions"] if "same_bytes" in question["runs"]
    ]
    if not rows:
        return ""
    return (
        "### HTTP alone\n\nThe rate at which actix-web answers the same request with the same bytes, without decoding the query and without a database (`examples/same_bytes.rs`)."
        f" With {one} connection this and the statement run one after the other, so together they allow at most the share of the limit in the last column but one.\n\n"
        + table(["question", "bytes", f"tagd HTTP/s, {one}", many, f"same bytes/s, {one}", many, f"allowed of the limit, {one}", "reached"], rows)
    )


def growth(figures):
    if len(figures.images) < 2:
        return ""
    one, many = figures.results["connections"]
    first, last = figures.images[0], figures.images[-1]
    rows = []
    for question in last["questions"]:
        same = [figures.question(fleet, question["key"]) for fleet in figures.images]
        if None in same:
            continue
        rates = [figures.rate(each, "http", many) for each in same]
        theirs = [figures.rate(each, "textbook", one) for each in same]
        rows.append([question["name"]] + [rate(value) for value in rates] + [times(rates[0] / rates[-1])] + [rate(value) for value in theirs] + [times(theirs[0] / theirs[-1])])
    sizes = [f"{fleet['resources']:,}" for fleet in figures.images]
    head = ["question", f"tagd HTTP/s, {sizes[0]}", *sizes[1:], "slower by", f"textbook/s, {sizes[0]}", *sizes[1:], "slower by"]
    return (
        f"## Growth\n\nFrom {first['resources']:,} to {last['resources']:,} images: tagd over HTTP with {many} connections, textbook SQL with {one}."
        " The sizes were measured in turn. The selective names and values match more resources in a larger fleet, as all questions do.\n\n![growth](plots/growth.svg)\n\n" + table(head, rows)
    )


def offset_rows(figures):
    return [question for question in figures.largest["questions"] if question["group"] == "offsets" or question["key"] == "half"] if figures.largest else []


def offsets(figures):
    one, _ = figures.results["connections"]
    rows = [
        [question["name"], f"{question['offset']:,}", f"{question['total']:,}", ms(figures.rate(question, "http", one)), ms(figures.rate(question, "textbook", one))]
        for question in sorted(offset_rows(figures), key=lambda question: (question["total"], question["offset"]))
    ]
    if not rows:
        return ""
    return (
        f"## Offsets\n\nMilliseconds of a page of 10 with its total, one connection.\n\n![offsets](plots/offsets.svg)\n\n"
        + table(["question", "offset", "matches", "tagd HTTP", "textbook"], rows)
    )


def types(figures):
    return other_fleet(figures, figures.types, "## Several types at once", "One query of TMS over {types}, {resources:,} resources in all.")


def projects(figures):
    return other_fleet(figures, figures.projects, "## Many projects", "{projects:,} projects, {resources:,} images; each request queries a random project.")


def other_fleet(figures, fleets, title, words):
    one, many = figures.results["connections"]
    if not fleets or not fleets[0]["questions"]:
        return ""
    fleet = fleets[0]
    rows = [
        [
            question["name"], f"{question['total']:,}" if "total" in question else "", rate(figures.rate(question, "http", one)), rate(figures.rate(question, "http", many)),
            times(figures.ratio(question, "http", "limit", one)), times(figures.ratio(question, "http", "limit", many)),
            times(figures.ratio(question, "http", "textbook", one)), times(figures.ratio(question, "http", "textbook", many)),
        ]
        for question in fleet["questions"]
    ]
    head = ["question", "matches", f"tagd HTTP/s, {one}", many, f"HTTP / limit, {one}", many, f"HTTP / textbook, {one}", many]
    keep = [column for column in range(len(head)) if any(row[column] for row in rows)]
    described = words.format(types=", ".join(fleet["types"]), resources=fleet["resources"], projects=fleet["projects"])
    return f"{title}\n\n{described}\n\n" + table([head[column] for column in keep], [[row[column] for column in keep] for row in rows])


def reports(figures):
    found = figures.results.get("reports")
    if not found:
        return ""
    parts = [REPORTS]
    for fleet in found:
        ways = [way for way in ("whole", "one project") if any(way in report["asked"] for report in fleet["reports"])]
        of_way = lambda way: [way if len(ways) > 1 else "rows"] + ["view, ms", "textbook, ms", "textbook / view"]
        rows = []
        for report in fleet["reports"]:
            rows.append([report["name"]])
            for way in ways:
                asked = report["asked"].get(way)
                view, book = (asked[side] and asked[side]["ms"] for side in ("view", "textbook")) if asked else (None, None)
                rows[-1] += [f"{asked['rows']:,}" if asked else "", of_report(view), of_report(book), times(book / view if view and book else None)]
        head = ["report"] + [cell for way in ways for cell in of_way(way)]
        if len(ways) > 1:
            head = [f"{cell}: rows" if cell in ways else cell for cell in head]
        parts.append(f"{fleet['resources']:,} images in {fleet['projects']:,} project{'s' * (fleet['projects'] > 1)}:\n\n" + table(head, rows))
    return "\n\n".join(parts)


REPORTS = """## Reports

Each view of the schema `report`, all its rows and columns, beside the same question as textbook SQL over the same plain tables, with a plain table of
changes and one of acts. The number of rows and a hash of them were compared before. Both are `copy (...) to stdout` in psql, by turns, at least 3 rounds,
medians: no column may be left out, and the client keeps nothing. The view is read with the rights of `tagd_reader` and the server's settings, the
textbook with those above; of two forms the faster one was chosen. Plain tables have no question about the index and the files. "Matching" is
`report.matching`. The ratio is the time of the textbook divided by that of the view."""


def of_report(milliseconds):
    return "" if milliseconds is None else f"{milliseconds:.1f}" if milliseconds < 20 else f"{milliseconds:,.0f}"


def writes(figures):
    found = figures.results.get("writes")
    if not found:
        return ""
    rows = [
        [one["clients"], rate(one["http"]), rate(one["alone"]), rate(one["pool"]), rate(one["insert"]), times(one["http"] / one["pool"]), times(one["http"] / one["insert"])]
        for one in found["rates"]
    ]
    return (
        f"## Writes\n\nOne tag each on a random one of {found['images']:,} images, durable when answered ({found['settings']}); `tools/bench/writes` describes what it is"
        " compared with.\n\n" + table(["clients", "tagd HTTP/s", "a write by itself, pgbench/s", "bare insert, pool/s", "bare insert, pgbench/s", "HTTP / insert, pool", "HTTP / insert, pgbench"], rows)
    )


def peers(figures):
    """Each product beside tagd, which got the same question right after it."""
    found = figures.results.get("peers") or []
    ours = {(one["query"], one["connections"], one.get("beside")): one for one in found if one.get("beside")}
    words = {"selective": "a tag on 1 in 1,000", "and": "AND of two, 1 %", "or": "OR of three", "not_any": "NOT ANY of two", "name": "part of a name", "untagged": "untagged"}
    rows = []
    for one in found:
        if one.get("beside"):
            continue
        tagd = ours.get((one["query"], one["connections"], one["peer"]), {})
        notes = [one["note"]] if one.get("note") else []
        if one.get("expected") is not None:
            notes.append(f"its total is wrong: {one['expected']:,} is right")
        elif one["total"] is None and one["rate"]:
            notes.append("it gives no total")
        ratio = tagd["rate"] / one["rate"] if tagd.get("rate") and one["rate"] else None
        rows.append([
            one["peer"], words.get(one["query"], one["query"]), one["connections"], f"{one['resources']:,}" if one.get("resources") else "", rate(one["rate"]), rate(tagd.get("rate")),
            times(ratio), "; ".join(notes).replace("|", "/"),
        ])
    if not rows:
        return ""
    head = ["product", "question", "connections", "its resources", "its rate/s", "tagd HTTP/s", "tagd / product", ""]
    return (
        "## Other products\n\nMeasured by `tools/bench/peers/run` on the same fleet: a product and tagd in turn, over HTTP, a page of 10. A product with fewer resources"
        " than tagd could not load more in acceptable time.\n\n" + table(head, rows)
    )


def fleets(figures):
    rows = []
    for fleet in figures.results["fleets"]:
        sizes = fleet["sizes"]
        index = sizes["index"]
        rows.append([
            fleet["name"], f"{fleet['resources']:,}", f"{fleet['import']['per_minute']:,.0f}", size(fleet["import"]["peak_rss"]), size(sizes["database"]), size(index),
            size(sizes["btree"]), times(sizes["btree"] / index), f"{fleet['start_s'] * 1000:.0f}", size(fleet["idle_rss"]), size(fleet["load_rss"]), size(fleet["peak_rss"]),
        ])
    head = [
        "fleet", "resources", "imported a minute", "memory of the import", "database", "index", "btree over tags", "btree / index", "start, ms", "memory idle",
        "under load", "peak",
    ]
    return (
        "## Import, size, memory, start\n\nThe database is measured before the textbook's tables are created. The index is everything that queries by tag need besides resources, tags and names. The btree is on (scope, key, value, slot) over the same tags. Memory is that of"
        f" tagd (resident), not of Postgres; under load with {max(figures.results['connections'])} connections. The start is from the command until ready, with"
        " existing data, Postgres included.\n\n" + table(head, rows)
    )


# ---- pictures


def pictures(results, folder):
    figures = Figures(results)
    os.makedirs(folder, exist_ok=True)
    if not figures.largest or not figures.largest["questions"]:
        return
    one, many = results["connections"]
    entries = []
    for question in figures.largest["questions"]:
        values = {"tagd, its statement alone": figures.rate(question, "limit", many), "tagd over HTTP": figures.rate(question, "http", many), "textbook SQL": figures.rate(question, "textbook", many)}
        entries.append((question["name"], {kind: value for kind, value in values.items() if value}))
    kinds = {"tagd over HTTP": ("dot", 0), "tagd, its statement alone": ("ring", 0), "textbook SQL": ("square", 1)}
    subtitle = f"{figures.largest['resources']:,} images, {many} connections; page of 10 and exact total unless named"
    plots.rows(os.path.join(folder, "questions.svg"), "Answers a second", subtitle, "answers a second (log scale); further right is better", entries, kinds)
    if len(figures.images) > 1:
        series = []
        for colour, key in enumerate(("half", "and", "or", "not", "untagged", "name")):
            questions = [figures.question(fleet, key) for fleet in figures.images]
            if None in questions:
                continue
            for name, dashed in (("http", False), ("textbook", True)):
                points = [(fleet["resources"], figures.rate(question, name, one)) for fleet, question in zip(figures.images, questions)]
                series.append((("textbook: " if dashed else "tagd: ") + shortened(questions[0]["name"]), points, dashed, colour))
        plots.lines(
            os.path.join(folder, "growth.svg"), "Answers a second as the fleet grows", "one connection; solid: tagd over HTTP, dashed: textbook SQL without HTTP",
            ("resources (log scale)", "answers a second (log scale)"), series,
        )
    series = []
    for colour, (prefix, words) in enumerate((("all_", "no filter"), ("half", "half the fleet"))):
        questions = sorted((question for question in offset_rows(figures) if question["key"].startswith(prefix)), key=lambda question: question["offset"])
        for name, who in (("http", "tagd"), ("textbook", "textbook")):
            points = [(question["offset"], 1000 / figures.rate(question, name, one)) for question in questions]
            if len(points) > 1:
                series.append((f"{who}: {words}", points, name == "textbook", colour))
    if series:
        plots.lines(
            os.path.join(folder, "offsets.svg"), "Time of a page of 10, by offset", f"{figures.largest['resources']:,} images, one connection; the page and the exact total",
            ("offset", "milliseconds (log scale)"), series, log_x=False,
        )


def shortened(words):
    return words.split(",")[0].replace("a tag on ", "").replace(" over three keys", "")
