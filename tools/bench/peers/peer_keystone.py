"""Keystone from PyPI, its projects with their tags, behind gunicorn and over a private Postgres."""
import http.client
import json
import os
import subprocess
import urllib.parse

from common import BIN, free_port, say, wait_for
from private_postgres import WithPostgres

CONFIG = """[DEFAULT]
use_stderr = true
[database]
connection = postgresql+psycopg2://fleet@/postgres?host={work}
[token]
provider = fernet
[fernet_tokens]
key_repository = {work}/fernet
[credential]
key_repository = {work}/credential
"""
GUNICORN = """wsgi_app = "keystone.wsgi.api:application"
bind = "127.0.0.1:{port}"
workers = 2
worker_class = "gthread"
threads = 4
timeout = 300
control_socket_disable = True
"""
PASSWORD = "of-this-run-alone"


class Keystone(WithPostgres):
    name = "keystone"
    cap = 1000

    def manage(self, *words):
        log = self.open_log("manage.log")
        command = [os.path.join(BIN, "keystone", "bin", "keystone-manage"), "--config-file", f"{self.work}/keystone.conf", *words]
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.work).returncode:
            raise RuntimeError(f"keystone-manage {words}\n{self.logs()}")

    def load(self, resources):
        """Straight into its two tables: through the API it is a transaction, a policy check and an event for each."""
        projects, tags = f"{self.work}/projects.tsv", f"{self.work}/tags.tsv"
        with open(projects, "w", encoding="utf-8") as one_each, open(tags, "w", encoding="utf-8") as many:
            for one in resources:
                one_each.write(f"{one.id}\t{one.name}\t{{}}\t\tt\tdefault\tdefault\tf\n")
                many.writelines(f"{one.id}\t{tag}\n" for tag in one.tags)
        self.psql(
            f"\\copy project (id, name, extra, description, enabled, domain_id, parent_id, is_domain) from '{projects}'\n"
            f"\\copy project_tag (project_id, name) from '{tags}'\nvacuum analyze"
        )

    def start(self, resources):
        self.start_postgres()
        with open(f"{self.work}/keystone.conf", "w") as out:
            out.write(CONFIG.format(work=self.work))
        # it finds these keys by itself, and under root it warns that they belong to root
        for folder in ("fernet", "credential"):
            os.mkdir(f"{self.work}/{folder}", 0o700)
        owner = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
        self.manage("db_sync")
        self.manage("fernet_setup", *owner)
        self.manage("credential_setup", *owner)
        self.port = free_port()
        url = f"http://127.0.0.1:{self.port}/v3/"
        self.manage("bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-public-url", url, "--bootstrap-region-id", "here")
        self.load(resources)
        # from a file in its working directory: Keystone would parse the arguments of the command line
        with open(f"{self.work}/gunicorn.conf.py", "w") as out:
            out.write(GUNICORN.format(port=self.port))
        env = dict(os.environ, OS_KEYSTONE_CONFIG_FILES=f"{self.work}/keystone.conf")
        self.spawn([os.path.join(BIN, "keystone", "bin", "gunicorn")], env=env)
        wait_for(self.login, self)
        # the project that bootstrap creates does not belong to the fleet
        (admin,) = json.loads(self.ask("GET", "/v3/projects?name=admin", self.headers, ""))["projects"]
        self.ask("DELETE", f"/v3/projects/{admin['id']}", self.headers, "")
        say("keystone:", self.psql("select count(*) from project where not is_domain"), "projects")

    def login(self):
        user = {"name": "admin", "domain": {"id": "default"}, "password": PASSWORD}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"system": {"all": True}}}}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/v3/auth/tokens", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 201:
            raise RuntimeError(f"{answer.status} {answer.read()[:300]}")
        self.headers = {"X-Auth-Token": answer.getheader("X-Subject-Token")}

    def request(self, question):
        (kind, value), = question.items()
        name = {"all": "tags", "any": "tags-any", "none": "not-tags-any", "name": "name__contains"}.get(kind)
        if not name:
            return None
        query = urllib.parse.urlencode({name: value if kind == "name" else ",".join(value)})
        return "GET", f"/v3/projects?{query}", self.headers, ""

    def answer(self, data):
        """It returns neither a total nor an order: the complete list is counted here."""
        return len(json.loads(data)["projects"]), None
