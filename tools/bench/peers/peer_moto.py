"""moto's server: the Resource Groups Tagging API of AWS over S3 buckets that are held in memory."""
import json
import os

from common import BIN, HERE, Peer, free_port, wait_for
from questions import pair

PAGE = 10


class Moto(Peer):
    name = "moto"
    cap = 10000

    def start(self, resources):
        path = f"{self.work}/buckets.json"
        with open(path, "w", encoding="utf-8") as out:
            for one in resources:
                out.write(json.dumps([one.name, dict(map(pair, one.tags))]) + "\n")
        self.port = free_port()
        self.spawn([os.path.join(BIN, "moto", "bin", "python"), os.path.join(HERE, "moto_server.py"), str(self.port), path])
        wait_for(lambda: self.ask(*self.request({"all": ["none=none"]})), self)

    def request(self, question, size=PAGE, token=None):
        if "all" not in question:
            return None
        filters = [{"Key": key, "Values": [value]} for key, value in map(pair, question["all"])]
        body = {"TagFilters": filters, "ResourceTypeFilters": ["s3"], "ResourcesPerPage": size}
        if token:
            body["PaginationToken"] = token
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "ResourceGroupsTaggingAPI_20170126.GetResources",
            # moto only reads the region and the service from it
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/tagging/aws4_request, SignedHeaders=host, Signature=a",
        }
        return "POST", "/", headers, json.dumps(body)

    def answer(self, data):
        """It returns no total, and has an order of its own."""
        found = json.loads(data)["ResourceTagMappingList"]
        if len(found) > PAGE:
            raise RuntimeError(f"moto: a page of {len(found)}")
        return None, None

    def counted(self, question):
        """The result of reading page after page, which is not timed."""
        token, count = None, 0
        while True:
            answer = json.loads(self.ask(*self.request(question, 100, token)))
            count += len(answer["ResourceTagMappingList"])
            token = answer.get("PaginationToken")
            if not token:
                return count
