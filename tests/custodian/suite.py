"""Cloud Custodian, unmodified, against a real tagd: `custodian run` with policies that tag, untag, mark and find.

Custodian lists resources at their own services and changes tags at TMS. The lists come from a stand-in here, with the
tags that tagd has at that moment, as a service would that keeps its tags there; all requests to TMS go to tagd. The
only settings are endpoints in environment variables of the SDK. Everything runs twice: without credentials, where the stand-in is
IAM as well, and with them, where requests must be signed and Custodian asks tagd for its project and its domain.
Usage: suite.py TAGD [CASE...], as tools/custodian runs it.
"""
import http.client
import http.server
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import traceback
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tools", "bench"))

from suite.server import Server  # noqa: E402

ACCESS, SECRET = "access", "secret"
SETTINGS = f"""
auth = ["keys", "tokens"]
[[keys]]
access = "{ACCESS}"
secret = "{SECRET}"
role = "tagger"
domain = "fedcba9876543210fedcba9876543210"
"""

PROJECT, DOMAIN, REGION = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210", "cn-north-4"

# more than Custodian puts into one request
DISKS = 60

# Custodian's name of a resource, the type's name in tagd, an action that the resource has
IMAGE, DISK, TRACKER = ("ims", "images", "deregister"), ("evs-volume", "disk", "delete"), ("cts-tracker", "cts-tracker", "delete-tracker")
KINDS = (IMAGE, DISK, TRACKER)


class Tagd:
    """The server, and what it says of tags."""

    def __init__(self, program, signed):
        self.server, self.signed, self.headers = Server(program), signed, {"Content-Type": "application/json"}

    def start(self):
        lines = []
        for kind, count in (("images", 3), ("disk", DISKS), ("cts-tracker", 2)):
            for number in range(count):
                lines.append({"project_id": PROJECT, "project_name": REGION, "domain_id": DOMAIN, "resource_type": kind, "resource_id": f"{kind}-{number}", "resource_name": f"{kind} {number}", "tags": []})
        self.server.prepare()
        self.server.load(self.server.file("fleet.ndjson", "".join(json.dumps(line) + "\n" for line in lines)))
        if self.signed:
            self.server.env["TAGD_CONFIG"] = self.server.file("tagd.toml", SETTINGS)
        self.server.start()
        if self.signed:
            user = {"name": ACCESS, "password": SECRET}
            self.headers["X-Auth-Token"] = self.log_in({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}})

    def log_in(self, body):
        connection = http.client.HTTPConnection(self.server.address, timeout=120)
        connection.request("POST", "/v3/auth/tokens", json.dumps(body), self.headers)
        answer = connection.getresponse()
        token = answer.headers["X-Subject-Token"]
        connection.close()
        return token

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.server.address, timeout=120)
        connection.request(method, path, json.dumps(body) if body is not None else None, self.headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if answer.status >= 300:
            raise AssertionError(f"{method} {path} {body}: {answer.status} {data}")
        return json.loads(data) if data else None

    def tags(self, kind, *terms):
        """Tags of each resource of a type, by id."""
        found = {}
        while True:
            body = {"project_id": PROJECT, "resource_types": [kind], "tags": list(terms), "limit": 50, "offset": len(found)}
            page = self.call("POST", "/v1.0/resource-instances/filter", body)
            for resource in page["resources"]:
                found[resource["resource_id"]] = {tag["key"]: tag["value"] for tag in resource["tags"]}
            if len(found) >= page["total_count"]:
                return dict(sorted(found.items(), key=lambda one: int(one[0].rpartition("-")[2])))

    def clear(self):
        for _, kind, _ in KINDS:
            for resource, tags in self.tags(kind).items():
                if tags:
                    body = {"project_id": PROJECT, "resources": [{"resource_type": kind, "resource_id": resource}], "tags": [{"key": key} for key in tags]}
                    self.call("POST", "/v1.0/resource-tags/batch-delete", body)


def stand_in(tagd):
    """The services whose resources Custodian lists, and IAM."""

    def images(query):
        there = tagd.tags("images")
        ids = list(there)
        ids = ids[ids.index(query["marker"]) + 1:] if "marker" in query else ids
        return {"images": [{"id": one, "name": one, "status": "active", "tags": [f"{key}={value}" for key, value in there[one].items()]} for one in ids]}

    def disks(query):
        there = list(tagd.tags("disk").items())[int(query.get("offset", 0)):][:int(query.get("limit", 1000))]
        return {"volumes": [{"id": one, "name": one, "status": "available", "tags": tags} for one, tags in there]}

    def trackers(_):
        return {"trackers": [{"id": one, "tracker_name": one, "tracker_type": "system", "status": "enabled"} for one in tagd.tags("cts-tracker")]}

    projects = {"projects": [{"id": PROJECT, "name": REGION, "domain_id": DOMAIN, "enabled": True, "is_domain": False, "parent_id": DOMAIN, "description": "", "links": {"self": ""}}], "links": {"self": ""}}
    routes = {
        "/v3/auth/domains": lambda _: {"domains": [{"id": DOMAIN, "name": "d", "enabled": True}]}, "/v3/projects": lambda _: projects, "/v3/auth/projects": lambda _: projects,
        "/v2/cloudimages": images, f"/v2/{PROJECT}/cloudvolumes/detail": disks, f"/v3/{PROJECT}/trackers": trackers,
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            where = urllib.parse.urlsplit(self.path)
            route = routes.get(where.path)
            data = json.dumps(route(dict(urllib.parse.parse_qsl(where.query))) if route else {"error_code": "none", "error_msg": f"the stand-in has no {where.path}"}).encode()
            self.send_response(200 if route else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


class Custodian:
    """The command, and what it found."""

    def __init__(self, tagd, lists, home):
        self.home, self.number = home, 0
        here = REGION.replace("-", "_").upper()
        own = f"http://{tagd.server.address}"
        iam = own if tagd.signed else lists
        services = {"TMS": own, "IAM": iam, **{service: lists for service in ("IMS", "EVS", "CTS")}}
        self.env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        self.env.update({f"HUAWEICLOUD_SDK_REGION_{service}_{here}": url for service, url in services.items()})
        self.env.update(
            PYTHONDONTWRITEBYTECODE="1", TZ="UTC", HOME=home, HUAWEICLOUD_SDK_IAM_ENDPOINT=iam, HUAWEI_DEFAULT_REGION=REGION, HUAWEI_ACCESS_KEY_ID=ACCESS, HUAWEI_SECRET_ACCESS_KEY=SECRET,
        )
        if not tagd.signed:
            self.env["HUAWEI_PROJECT_ID"] = PROJECT
        self.runner = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--runner"], env=self.env, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self):
        self.runner.stdin.close()
        self.runner.wait()
        self.runner.stdout.close()

    def run(self, resource, filters=(), actions=()):
        """`custodian run`: ids of the resources that a policy chose; its actions have run without an error."""
        self.number += 1
        name = f"policy-{self.number}"
        policy = os.path.join(self.home, f"{name}.yml")
        with open(policy, "w", encoding="utf-8") as file:
            # JSON is YAML, too
            json.dump({"policies": [{"name": name, "resource": f"huaweicloud.{resource}", "filters": list(filters), "actions": list(actions)}]}, file)
        said = os.path.join(self.home, f"{name}.log")
        print(json.dumps([said, "run", "--cache-period", "0", "-s", os.path.join(self.home, "out"), policy]), file=self.runner.stdin, flush=True)
        code = int(self.runner.stdout.readline() or -1)
        with open(said, encoding="utf-8") as file:
            said = file.read()
        for line in said.splitlines():
            # the clock says nothing here
            print("    " + re.sub(r"^[-0-9]+ [0-9:,]+: ", "", line), flush=True)
        assert code == 0 and "ERROR" not in said and "Traceback" not in said, "custodian failed"
        with open(os.path.join(self.home, "out", name, "resources.json"), encoding="utf-8") as file:
            return sorted(one["id"] for one in json.load(file))


def runner():
    """The command in processes of its own, one for each line of arguments; what takes seconds to load is loaded once."""
    from c7n.cli import main as custodian
    from c7n.resources import load_resources

    # the released c7n knows no provider of this name, so the plugin says its own
    from c7n_huaweicloud.entry import initialize_huaweicloud

    initialize_huaweicloud()
    load_resources([f"huaweicloud.{resource}" for resource, _, _ in KINDS])
    for line in sys.stdin:
        said, *arguments = json.loads(line)
        child = os.fork()
        if not child:
            out = os.open(said, os.O_CREAT | os.O_WRONLY, 0o600)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.argv, code = ["custodian", *arguments], 1
            try:
                custodian()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                traceback.print_exc()
            finally:
                logging.shutdown()
                sys.stdout.flush()
                sys.stderr.flush()
                # taking all that was loaded apart takes seconds
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def named(field, *names):
    return {"type": "value", "key": field, "op": "in", "value": list(names)}


def only(there):
    """Those that have tags."""
    return {resource: tags for resource, tags in there.items() if tags}


def field_of(kind):
    return "tracker_name" if kind is TRACKER else "name"


# ---- cases: each of a kind of resources, all of which are without tags


def tags_and_untags(tagd, custodian, kind):
    resource, own, _ = kind
    a, b = f"{own}-0", f"{own}-1"
    both = [named(field_of(kind), a, b)]
    assert custodian.run(resource, both, [{"type": "tag", "tags": {"env": "prod", "owner": "lee"}}]) == [a, b]
    assert only(tagd.tags(own)) == {a: {"env": "prod", "owner": "lee"}, b: {"env": "prod", "owner": "lee"}}
    # again, with another value: it takes the place of the one before
    custodian.run(resource, [named(field_of(kind), b)], [{"type": "tag", "key": "env", "value": "dev"}])
    assert only(tagd.tags(own))[b] == {"env": "dev", "owner": "lee"}
    # by key, whatever the value
    custodian.run(resource, both, [{"type": "untag", "tags": ["owner", "never-there"]}])
    assert only(tagd.tags(own)) == {a: {"env": "prod"}, b: {"env": "dev"}}
    # by key and value: only where it has that value
    custodian.run(resource, both, [{"type": "remove-tag", "tag_values": {"env": "prod"}}])
    assert only(tagd.tags(own)) == {b: {"env": "dev"}}
    assert list(tagd.tags(own, {"key": "env", "values": ["dev"]})) == [b]


def marks_and_unmarks(tagd, custodian, kind):
    resource, own, action = kind
    a, b = f"{own}-0", f"{own}-1"
    mark = {"type": "mark-for-op", "tag": "custodian_status", "op": action}
    custodian.run(resource, [named(field_of(kind), a)], [dict(mark, days=0)])
    custodian.run(resource, [named(field_of(kind), b)], [dict(mark, days=4)])
    marked = only(tagd.tags(own))
    assert all(re.fullmatch(action + r"_\d{4}-\d\d-\d\d", tags["custodian_status"]) for tags in marked.values()), marked
    assert list(marked) == [a, b] and marked[a] != marked[b]
    if kind is not TRACKER:
        # whose day has come, and who will be in four days; the SDK's model of a tracker has no tags
        due = {"type": "marked-for-op", "tag": "custodian_status", "op": action}
        assert custodian.run(resource, [due]) == [a]
        assert custodian.run(resource, [dict(due, skew=5)]) == [a, b]
    custodian.run(resource, [], [{"type": "unmark", "tags": ["custodian_status"]}])
    assert only(tagd.tags(own)) == {}
    custodian.run(resource, [named(field_of(kind), a)], [dict(mark, hours=1, msg="{op}-in-an-hour")])
    assert only(tagd.tags(own)) == {a: {"custodian_status": f"{action}-in-an-hour"}}


def finds(tagd, custodian, kind):
    resource, own, _ = kind
    a, b = f"{own}-0", f"{own}-1"
    custodian.run(resource, [named(field_of(kind), a, b)], [{"type": "tag", "tags": {"env": "prod", "team": "a-b"}}])
    custodian.run(resource, [named(field_of(kind), a)], [{"type": "mark", "tag": "owner", "value": "lee"}])
    if kind is IMAGE:
        env = {"type": "value", "key": "tags", "op": "contains", "value": "env=prod"}
    else:
        env = {"type": "value", "key": "tags.env", "value": "prod"}
    assert custodian.run(resource, [env]) == [a, b]
    assert custodian.run(resource, [env, {"type": "tag-count", "count": 3}]) == [a]
    assert custodian.run(resource, [{"not": [env]}, named("name", a, b)]) == []


def renames(tagd, custodian, kind):
    resource, own, _ = kind
    a = f"{own}-0"
    custodian.run(resource, [named("name", a)], [{"type": "tag", "tags": {"Owner": "Lee", "env": "prod"}}])
    custodian.run(resource, [named("name", a)], [{"type": "rename-tag", "old_key": "Owner", "new_key": "owner"}])
    assert only(tagd.tags(own)) == {a: {"owner": "Lee", "env": "prod"}}
    custodian.run(resource, [named("name", a)], [{"type": "normalize-tag", "key": "owner", "action": "lower"}])
    assert only(tagd.tags(own)) == {a: {"owner": "lee", "env": "prod"}}


def in_several_requests(tagd, custodian, kind):
    resource, own, _ = kind
    assert len(custodian.run(resource, [], [{"type": "tag", "tags": {"all": "of-them"}}])) == DISKS
    assert len(only(tagd.tags(own))) == DISKS
    custodian.run(resource, [], [{"type": "untag", "tags": ["all"]}])
    assert only(tagd.tags(own)) == {}


CASES = (
    [(case, kind) for kind in KINDS for case in (tags_and_untags, marks_and_unmarks)]
    + [(case, kind) for kind in (IMAGE, DISK) for case in (finds, renames)] + [(in_several_requests, DISK)]
)


def run_all(program, signed, wanted):
    """The cases with a tagd of their own; the names of those that failed."""
    tagd, failed = Tagd(program, signed), []
    try:
        tagd.start()
        with tempfile.TemporaryDirectory() as home:
            custodian = Custodian(tagd, stand_in(tagd), home)
            for case, kind in CASES:
                name = f"{kind[0]} {case.__name__} {'signed' if signed else 'open'}"
                if wanted and not any(word in name for word in wanted):
                    continue
                print(name, flush=True)
                tagd.clear()
                try:
                    case(tagd, custodian, kind)
                except AssertionError as error:
                    failed.append(name)
                    frame = error.__traceback__
                    while frame.tb_next and frame.tb_next.tb_frame.f_code.co_filename == __file__:
                        frame = frame.tb_next
                    print(f"  FAILED at line {frame.tb_lineno}: {error}", flush=True)
                else:
                    print("  ok", flush=True)
            custodian.close()
    finally:
        tagd.server.close()
    return failed


def main():
    program = os.path.abspath(sys.argv[1])
    failed = [name for signed in (False, True) for name in run_all(program, signed, sys.argv[2:])]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
    print("Cloud Custodian is content")


if __name__ == "__main__":
    runner() if sys.argv[1:] == ["--runner"] else main()
