"""Groonga's HTTP server: one table of resources, its tags a vector of references into an indexed table of terms."""
import json
import os
import subprocess
import urllib.parse

from common import BIN, Peer, free_port, say, wait_for

SCHEMA = """table_create Tags TABLE_PAT_KEY ShortText
table_create Resources TABLE_NO_KEY
column_create Resources slot COLUMN_SCALAR UInt32
column_create Resources resource_id COLUMN_SCALAR ShortText
column_create Resources name COLUMN_SCALAR ShortText
column_create Resources detail COLUMN_SCALAR ShortText
column_create Resources tags COLUMN_VECTOR Tags
column_create Resources tag_count COLUMN_SCALAR UInt8
"""
# after the load: a static index is smaller and faster than one that is updated row by row
INDEXES = """column_create Tags resources COLUMN_INDEX Resources tags
table_create Grams TABLE_PAT_KEY ShortText --default_tokenizer 'TokenNgram("n", 3, "unify_alphabet", false, "unify_digit", false, "unify_symbol", false)' --normalizer NormalizerAuto
column_create Grams resources COLUMN_INDEX|WITH_POSITION Resources name
table_create Counts TABLE_HASH_KEY UInt8
column_create Counts resources COLUMN_INDEX Resources tag_count
"""
CONFIG = """worker_processes 2;
daemon off;
{user}
pid {work}/httpd.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_timeout 65;
  keepalive_requests 1000000000;
  groonga_database {work}/db;
  groonga_cache_limit 0;
  client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
  uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
  server {{ listen 127.0.0.1:{port}; location /d/ {{ groonga on; groonga_log_path off; groonga_query_log_path off; }} }}
}}
"""


class Groonga(Peer):
    name = "groonga"
    cap = None

    def start(self, resources):
        httpd = os.path.join(BIN, "groonga", "usr", "sbin", "groonga-httpd")
        log = self.open_log("load.log")
        loader = subprocess.Popen(["groonga", "-n", f"{self.work}/db"], stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
        loader.stdin.write(SCHEMA + "load --table Resources\n[\n")
        for one in resources:
            row = {"slot": one.slot, "resource_id": one.id, "name": one.name, "detail": json.dumps(one.detail), "tags": one.tags, "tag_count": len(one.tags)}
            loader.stdin.write((",\n" if one.slot > 1 else "") + json.dumps(row))
        loader.stdin.write("\n]\n" + INDEXES)
        loader.stdin.close()
        if loader.wait():
            raise RuntimeError("groonga: the load failed")
        self.port = free_port()
        config = f"{self.work}/httpd.conf"
        with open(config, "w") as out:
            out.write(CONFIG.format(work=self.work, port=self.port, user="user root;" if os.getuid() == 0 else ""))
        self.spawn([httpd, "-p", self.work, "-c", config, "-e", f"{self.work}/error.log"])
        wait_for(lambda: self.ask(*self.request({"all": ["none=none"]})), self)
        say(self.ask("GET", "/d/status", {}, "")[:120].decode())

    def request(self, question):
        def has(tag):
            return f"tags @ {json.dumps(tag)}"

        if "all" in question:
            where = " && ".join(has(tag) for tag in question["all"])
        elif "any" in question:
            where = " || ".join(has(tag) for tag in question["any"])
        elif "none" in question:
            where = " &! ".join(["all_records()"] + [has(tag) for tag in question["none"]])
        elif "name" in question:
            where = f"name @ {json.dumps(question['name'])}"
        else:
            where = "tag_count == 0"
        query = {
            "table": "Resources", "cache": "no", "filter": where, "sort_keys": "-slot", "limit": 10,
            "output_columns": "resource_id,name,detail,tags",
        }
        return "GET", "/d/select?" + urllib.parse.urlencode(query), {}, ""

    def answer(self, data):
        (status, *_), (found,) = json.loads(data)
        if status:
            raise RuntimeError(f"groonga: {data[:300]}")
        return found[0][0], [row[1] for row in found[2:]]
