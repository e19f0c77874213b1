"""PostGraphile over indexed tables in a private Postgres; the questions are SQL functions (schema.sql)."""
import json
import os

from common import BIN, HERE, free_port, say, wait_for
from private_postgres import WithPostgres

# the page and the total, in one request
ASKED = {
    "all1": ("tagged", "tag", "String!"),
    "all": ("withAll", "tags", "[String!]!"),
    "any": ("withAny", "tags", "[String!]!"),
    "none": ("withoutAny", "tags", "[String!]!"),
    "name": ("named", "part", "String!"),
    "untagged": ("untagged", None, None),
}


class PostGraphile(WithPostgres):
    name = "postgraphile"
    cap = None

    def load(self, resources):
        def field(text):
            return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")

        def array(tags):
            return "{" + ",".join('"' + tag.replace("\\", "\\\\").replace('"', '\\"') + '"' for tag in tags) + "}"

        self.psql(
            "create extension pg_trgm; create schema fleet; create table fleet.resource"
            " (slot int not null, resource_id text not null, name text not null, detail jsonb, tags text[] not null)"
        )
        path = f"{self.work}/resources.tsv"
        with open(path, "w", encoding="utf-8") as out:
            for one in resources:
                row = (str(one.slot), one.id, one.name, json.dumps(one.detail), array(one.tags))
                out.write("\t".join(map(field, row)) + "\n")
        self.psql(f"\\copy fleet.resource from '{path}'")
        os.unlink(path)
        with open(os.path.join(HERE, "schema.sql")) as schema:
            self.psql(schema.read())

    def start(self, resources):
        self.start_postgres()
        url = f"postgres://fleet@localhost/postgres?host={self.work}"
        self.load(resources)
        say("Postgres", self.psql("show server_version"), self.psql("select pg_size_pretty(pg_database_size('postgres'))"))
        self.port = free_port()
        modules = os.path.join(BIN, "node")
        # a module resolves its packages from its own location
        script = os.path.join(modules, "server.mjs")
        with open(os.path.join(HERE, "server.mjs")) as ours, open(script, "w") as out:
            out.write(ours.read())
        env = dict(os.environ, NODE_ENV="production", GRAPHILE_ENV="production")
        self.spawn([os.path.join(modules, "node_modules", ".bin", "node"), script, str(self.port), url], env=env)
        wait_for(lambda: self.answer(self.ask(*self.request({"untagged": True}))), self)

    def request(self, question):
        (kind, value), = question.items()
        if kind == "all" and len(value) == 1:
            kind, value = "all1", value[0]
        name, argument, of = ASKED[kind]
        head = f"($v: {of})" if argument else ""
        given = f"{argument}: $v" if argument else ""
        total = f"{name}Total({given})" if given else f"{name}Total"
        page = f"{name}({given + ', ' if given else ''}first: 10)"
        query = f"query{head} {{ total: {total} page: {page} {{ nodes {{ resourceId name detail tags }} }} }}"
        body = {"query": query, "variables": {"v": value} if argument else {}}
        return "POST", "/graphql", {"Content-Type": "application/json", "Accept": "application/json"}, json.dumps(body)

    def answer(self, data):
        answer = json.loads(data)
        if answer.get("errors"):
            raise RuntimeError(f"postgraphile: {answer['errors']}"[:1500])
        data = answer["data"]
        return int(data["total"]), [one["name"] for one in data["page"]["nodes"]]
