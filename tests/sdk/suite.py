"""Every tag operation of the official Python SDKs, unmodified, against a tagd at TAGD_URL.

tests/it/wire/sdk.rs starts the server with the resources that are named here and runs this file; the project is
PROJECT, the resources of each type have the ids r1 to r3 and the names web-1, web-2 and db-3. TAGD_TOKEN is a token for
clients that do not sign; with TAGD_SDK_SENDS=token the SDKs send it too, and their signature is of no key.
"""
import json
import os
import unittest

import openstack
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.http.http_handler import HttpHandler
from huaweicloudsdkcts.v3 import CtsClient
from huaweicloudsdkcts.v3 import model as cts
from huaweicloudsdkdns.v2 import DnsClient
from huaweicloudsdkdns.v2 import model as dns
from huaweicloudsdkims.v2 import ImsClient
from huaweicloudsdkims.v2 import model as ims
from huaweicloudsdktms.v1 import TmsClient
from huaweicloudsdktms.v1 import model as tms
from keystoneauth1 import adapter, noauth, session, token_endpoint
from openstack.image.v2.image import Image

URL = os.environ["TAGD_URL"]
TOKEN = os.environ.get("TAGD_TOKEN")
PROJECT = os.environ.get("TAGD_PROJECT", "0123456789abcdef0123456789abcdef")
DNS_TYPES = ["DNS-public_zone", "DNS-private_zone", "DNS-public_recordset", "DNS-private_recordset", "DNS-ptr_record"]


def client(kind, credentials):
    # dummy keys, never none: without keys the SDK asks the network for some
    builder = kind.new_builder().with_credentials(credentials).with_endpoint(URL)
    if os.environ.get("TAGD_SDK_SENDS") == "token":
        builder.with_http_handler(HttpHandler().add_request_handler(send_token))
    return builder.build()


def send_token(request, **_):
    request.header_params["X-Auth-Token"] = TOKEN
    request.header_params["Authorization"] = request.header_params["Authorization"].replace("Access=AK,", "Access=nobody,")


def basic():
    return BasicCredentials("AK", "SK", PROJECT)


def tag(key, value=""):
    return {"key": key, "value": value}


def pairs(tags):
    return {one.key: one.value for one in tags or []}


def ids(answer):
    return [one.resource_id for one in answer.resources or []]


class Case(unittest.TestCase):
    maxDiff = None

    def refused(self, status, code, call, *arguments):
        with self.assertRaises(ClientRequestException) as caught:
            call(*arguments)
        self.assertEqual((caught.exception.status_code, caught.exception.error_code), (status, code), caught.exception.error_msg)
        self.assertTrue(caught.exception.request_id)

    def status(self, expected, answer):
        self.assertEqual(answer.status_code, expected)
        return answer


class Ims(Case):
    def setUp(self):
        self.api = client(ImsClient, basic())
        for image in ("r1", "r2", "r3"):
            kept = pairs(self.tags(image))
            if kept:
                self.batch(image, "delete", *[tag(key) for key in kept])

    def tags(self, image):
        return self.api.list_image_tags(ims.ListImageTagsRequest(image_id=image)).tags

    def batch(self, image, action, *tags):
        body = ims.BatchAddOrDeleteTagsRequestBody(action=action, tags=list(tags))
        return self.status(204, self.api.batch_add_or_delete_tags(ims.BatchAddOrDeleteTagsRequest(image_id=image, body=body)))

    def query(self, action="filter", **lists):
        body = ims.ListImageByTagsRequestBody(action=action, **lists)
        return self.status(200, self.api.list_image_by_tags(ims.ListImageByTagsRequest(body=body)))

    def test_add_overwrite_list_delete(self):
        def add(key, value):
            body = ims.AddImageTagRequestBody(tag=ims.ResourceTag(key=key, value=value))
            return self.api.add_image_tag(ims.AddImageTagRequest(image_id="r1", body=body))

        self.status(204, add("env", "dev"))
        self.status(204, add("env", "prod"))
        self.assertEqual(pairs(self.tags("r1")), {"env": "prod"})
        self.status(204, self.api.delete_image_tag(ims.DeleteImageTagRequest(image_id="r1", key="env")))
        self.assertEqual(pairs(self.tags("r1")), {})
        self.refused(404, "IMG.0144", self.api.delete_image_tag, ims.DeleteImageTagRequest(image_id="r1", key="env"))
        self.refused(404, "IMG.0144", self.tags, "unknown")
        self.refused(400, "IMG.0115", add, "a b", "x")

    def test_batch_and_quota(self):
        self.batch("r1", "create", *[tag(f"k{i}", "v") for i in range(10)])
        self.assertEqual(len(self.tags("r1")), 10)
        with self.assertRaises(ClientRequestException) as caught:
            self.batch("r1", "create", tag("one-more", "v"))
        self.assertEqual(caught.exception.error_code, "IMG.0116")
        body = ims.BatchDeleteTagsRequestBody(tags=[tag(f"k{i}", "") for i in range(9)])
        self.status(204, self.api.batch_delete_tags(ims.BatchDeleteTagsRequest(image_id="r1", body=body)))
        self.assertEqual(pairs(self.tags("r1")), {"k9": "v"})
        self.batch("r1", "delete", tag("k9"), tag("absent"))
        self.assertEqual(pairs(self.tags("r1")), {})

    def test_query_and_count(self):
        self.batch("r1", "create", tag("env", "prod"), tag("team", "a"))
        self.batch("r2", "create", tag("env", "prod"))
        one = [ims.Tags(key="env", values=["prod"])]
        found = self.query(tags=one, limit="1", offset="1")
        self.assertEqual((ids(found), found.total_count), (["r1"], 2))
        self.assertEqual(pairs(found.resources[0].tags), {"env": "prod", "team": "a"})
        self.assertEqual(self.query("count", tags=one).total_count, 2)
        self.assertEqual(ids(self.query(not_tags_any=[ims.Tags(key="team", values=[])])), ["r3", "r2"])
        self.assertEqual(ids(self.query(without_any_tag=True)), ["r3"])
        self.assertEqual(ids(self.query(matches=[ims.TagKeyValue(key="resource_name", value="WEB")])), ["r2", "r1"])

    def test_lists_of_the_project(self):
        self.batch("r1", "create", tag("env", "prod"), tag("alone", ""))
        self.batch("r2", "create", tag("env", "dev"))
        listed = self.status(200, self.api.list_images_tags(ims.ListImagesTagsRequest()))
        self.assertEqual({one.key: one.values for one in listed.tags}, {"alone": [""], "env": ["dev", "prod"]})
        listed = self.status(200, self.api.list_tags(ims.ListTagsRequest()))
        self.assertEqual(len(listed.tags), 3)
        private = self.status(200, self.api.list_tags(ims.ListTagsRequest(imagetype="private")))
        self.assertEqual(private.tags, listed.tags)
        self.assertEqual(self.status(200, self.api.list_tags(ims.ListTagsRequest(imagetype="gold"))).tags, [])

    def test_versions(self):
        for version, found in [("v1", ["v1"]), ("v2", ["v2.0", "v2"]), ("v2.0", ["v2.0", "v2"])]:
            answer = self.status(200, self.api.show_version(ims.ShowVersionRequest(version=version)))
            self.assertEqual([one.id for one in answer.versions], found)

    def test_put_and_native(self):
        body = ims.AddOrUpdateTagsRequestBody(image_id="r3", image_tag=ims.ImageTag(key="env", value="prod"))
        self.status(204, self.api.create_or_update_tags(ims.CreateOrUpdateTagsRequest(body=body)))
        body = ims.AddOrUpdateTagsRequestBody(image_id="r3", tag="team.web")
        self.status(204, self.api.create_or_update_tags(ims.CreateOrUpdateTagsRequest(body=body)))
        self.status(204, self.api.glance_create_tag(ims.GlanceCreateTagRequest(image_id="r3", tag="golden")))
        self.assertEqual(pairs(self.tags("r3")), {"env": "prod", "team": "web", "golden": ""})
        self.status(204, self.api.glance_delete_tag(ims.GlanceDeleteTagRequest(image_id="r3", tag="golden")))
        self.assertEqual(pairs(self.tags("r3")), {"env": "prod", "team": "web"})


class Dns(Case):
    def setUp(self):
        self.api = client(DnsClient, basic())

    def tags(self, kind, resource="r1"):
        request = dns.ShowResourceTagRequest(resource_type=kind, resource_id=resource)
        return pairs(self.status(200, self.api.show_resource_tag(request)).tags)

    def batch(self, kind, action, *tags, resource="r1"):
        body = dns.BatchHandTags(action=action, tags=list(tags))
        request = dns.BatchCreateTagRequest(resource_type=kind, resource_id=resource, body=body)
        return self.status(204, self.api.batch_create_tag(request))

    def test_every_type(self):
        for kind in DNS_TYPES:
            with self.subTest(kind):
                body = dns.CreateTagReq(tag=dns.Tag(key="a/b: c@d", value="x/y"[0:3]))
                with self.assertRaises(ClientRequestException) as caught:
                    self.api.create_tag(dns.CreateTagRequest(resource_type=kind, resource_id="r1", body=body))
                self.assertEqual(caught.exception.error_code, "DNS.1003")  # a slash may stand in values only
                body = dns.CreateTagReq(tag=dns.Tag(key="a b:c@d+e=f", value="x/y"))
                self.status(204, self.api.create_tag(dns.CreateTagRequest(resource_type=kind, resource_id="r1", body=body)))
                self.batch(kind, "create", tag("env", "prod"), tag("team", "größe"))
                self.assertEqual(self.tags(kind), {"a b:c@d+e=f": "x/y", "env": "prod", "team": "größe"})
                listed = self.status(200, self.api.list_tags(dns.ListTagsRequest(resource_type=kind)))
                self.assertEqual({one.key: one.values for one in listed.tags}["team"], ["größe"])
                query = dns.ListTagReq(action="filter", tags=[dns.TagValues(key="team", values=["*röß"])], limit=5, offset=0)
                found = self.status(200, self.api.list_tag(dns.ListTagRequest(resource_type=kind, body=query)))
                self.assertEqual((ids(found), found.total_count), (["r1"], 1))
                query = dns.ListTagReq(action="count", not_tags=[dns.TagValues(key="team")])
                self.assertEqual(self.api.list_tag(dns.ListTagRequest(resource_type=kind, body=query)).total_count, 2)
                request = dns.DeleteTagRequest(resource_type=kind, resource_id="r1", key="a b:c@d+e=f")
                self.status(204, self.api.delete_tag(request))
                with self.assertRaises(ClientRequestException) as caught:
                    self.api.delete_tag(request)
                self.assertEqual(caught.exception.status_code, 404)
                self.batch(kind, "delete", tag("env"), tag("team"))
                self.assertEqual(self.tags(kind), {})

    def test_unknown(self):
        self.refused(404, "DNS.0302", self.tags, "DNS-public_zone", "nowhere")
        self.refused(404, "DNS.0313", self.tags, "DNS-public_recordset", "nowhere")
        self.refused(404, "DNS.0507", self.tags, "DNS-ptr_record", "nowhere")
        self.refused(400, "DNS.1002", self.tags, "DNS-unknown", "r1")


class Cts(Case):
    def setUp(self):
        self.api = client(CtsClient, basic())

    def call(self, method, path, status, body=None, query=None):
        """The operations that the SDK has no method for, through the public function that its methods call."""
        answer = self.api.do_http_request(
            method=method,
            resource_path=f"/v3/{{project_id}}/cts-tracker{path}",
            query_params=query or [],
            header_params={"Content-Type": "application/json;charset=UTF-8"},
            body=body,
            response_type="BatchCreateResourceTagsResponse",
            collection_formats={},
            request_type="BatchCreateResourceTagsRequest",
        )
        self.assertEqual(answer.status_code, status)
        return json.loads(answer.raw_content) if answer.raw_content else None

    def test_without_a_method(self):
        self.call("POST", "/r2/tags", 204, {"tag": tag("env", "prod")})
        self.call("POST", "/r2/tags", 204, {"tag": tag("team", "a/b")})
        self.assertEqual(self.call("GET", "/r2/tags", 200), {"tags": [tag("env", "prod"), tag("team", "a/b")]})
        listed = self.call("GET", "/tags", 200, query=[("limit", 1)])
        self.assertEqual(listed, {"tags": [{"key": "env", "values": ["prod"]}], "page_info": {"current_count": 1, "next_marker": "env"}})
        listed = self.call("GET", "/tags", 200, query=[("limit", 1), ("marker", "env")])
        self.assertEqual(listed["tags"], [{"key": "team", "values": ["a/b"]}])
        found = self.call("POST", "/resource-instances/filter", 200, {"tags": [{"key": "team", "values": ["*b"]}]}, [("limit", 1)])
        self.assertEqual((found["total_count"], found["resources"][0]["resource_id"]), (1, "r2"))
        self.assertEqual(self.call("POST", "/resource-instances/count", 200, {"without_any_tag": True}), {"total_count": 2})
        self.call("DELETE", "/r2/tags/env", 204)
        self.call("DELETE", "/r2/tags/team", 204)
        self.assertEqual(self.call("GET", "/r2/tags", 200), {"tags": []})

    def test_create_and_delete(self):
        body = cts.BatchCreateResourceTagsRequestBody(tags=[tag("env", "prod"), tag("team", "a")])
        request = cts.BatchCreateResourceTagsRequest(resource_id="r1", resource_type="cts-tracker", body=body)
        self.status(200, self.api.batch_create_resource_tags(request))
        self.status(200, self.api.batch_create_resource_tags(request))
        body = cts.BatchDeleteResourceTagsRequestBody(tags=[tag("env", "other"), tag("team", "a")])
        request = cts.BatchDeleteResourceTagsRequest(resource_id="r1", resource_type="cts-tracker", body=body)
        self.status(204, self.api.batch_delete_resource_tags(request))
        body = cts.BatchDeleteResourceTagsRequestBody(tags=[{"key": "env"}])
        request = cts.BatchDeleteResourceTagsRequest(resource_id="r1", resource_type="cts-tracker", body=body)
        self.status(204, self.api.batch_delete_resource_tags(request))


class Tms(Case):
    def setUp(self):
        self.api = client(TmsClient, GlobalCredentials("AK", "SK", "d0"))

    def predefined(self, action, *tags):
        kind, request, call = {
            "create": (tms.ReqCreatePredefineTag, tms.CreatePredefineTagsRequest, self.api.create_predefine_tags),
            "delete": (tms.ReqDeletePredefineTag, tms.DeletePredefineTagsRequest, self.api.delete_predefine_tags),
        }[action]
        return self.status(204, call(request(body=kind(action=action, tags=list(tags)))))

    def listed(self, **query):
        answer = self.status(200, self.api.list_predefine_tags(tms.ListPredefineTagsRequest(**query)))
        return [(one.key, one.value) for one in answer.tags], answer

    def test_versions(self):
        self.assertTrue(self.status(200, self.api.list_api_versions(tms.ListApiVersionsRequest())).versions)
        shown = self.status(200, self.api.show_api_version(tms.ShowApiVersionRequest(api_version="v1.0")))
        self.assertEqual(shown.version.id, "v1.0")

    def test_predefined(self):
        self.predefined("create", tag("Env", "prod"), tag("Env", "dev"), tag("team", ""))
        self.predefined("create", tag("Env", "prod"))
        found, answer = self.listed(key="ENV", order_field="value", order_method="asc")
        self.assertEqual((found, answer.total_count), ([("Env", "dev"), ("Env", "prod")], 2))
        first, answer = self.listed(limit=2, order_field="key", order_method="asc")
        rest, answer = self.listed(limit=2, order_field="key", order_method="asc", marker=answer.marker)
        self.assertEqual((len(first), len(rest)), (2, 1))
        # Terraform's provider goes on until the marker is empty
        rest, answer = self.listed(limit=2, order_field="key", order_method="asc", marker=answer.marker)
        self.assertEqual((rest, answer.marker), ([], ""))
        change = tms.ModifyPrefineTag(old_tag=tag("team", ""), new_tag=tag("team", "web"))
        self.status(200, self.api.update_predefine_tags(tms.UpdatePredefineTagsRequest(body=change)))
        self.refused(400, "TMS.1002", self.api.update_predefine_tags, tms.UpdatePredefineTagsRequest(body=change))
        used = self.status(200, self.api.show_tag_quota(tms.ShowTagQuotaRequest())).quotas[0]
        self.assertEqual((used.quota_key, used.quota_limit, used.used), ("predefine_tag", 500, 3))
        self.predefined("delete", tag("Env", "prod"), tag("Env", "dev"), tag("team", "web"), tag("gone", ""))
        self.assertEqual(self.listed()[0], [])

    def test_resource_tags(self):
        resources = [{"resource_id": "r1", "resource_type": "ecs"}, {"resource_id": "nowhere", "resource_type": "ecs"}]
        body = tms.ReqCreateTag(project_id=PROJECT, resources=resources, tags=[tag("env", "prod"), tag("team", "web")])
        made = self.status(200, self.api.create_resource_tag(tms.CreateResourceTagRequest(body=body)))
        self.assertEqual([one.resource_id for one in made.failed_resources], ["nowhere"])
        request = tms.ShowResourceTagRequest(resource_id="r1", project_id=PROJECT, resource_type="ecs")
        self.assertEqual(pairs(self.status(200, self.api.show_resource_tag(request)).tags), {"env": "prod", "team": "web"})
        query = tms.ResqTagResource(project_id=PROJECT, resource_types=["ecs", "disk"], tags=[tms.Tag(key="env", values=["prod"])])
        found = self.status(200, self.api.list_resource(tms.ListResourceRequest(body=query)))
        self.assertEqual((ids(found), found.total_count, found.errors), (["r1"], 1, []))
        keys = self.status(200, self.api.list_tag_keys(tms.ListTagKeysRequest(limit=1)))
        self.assertEqual(len(keys.keys), 1)
        seen = list(keys.keys)
        while keys.page_info.next_marker:
            keys = self.api.list_tag_keys(tms.ListTagKeysRequest(limit=1, marker=keys.page_info.next_marker))
            seen += keys.keys
        self.assertEqual(seen, sorted(set(seen)))
        self.assertLessEqual({"env", "team"}, set(seen))
        values = self.status(200, self.api.list_tag_values(tms.ListTagValuesRequest(key="env")))
        self.assertIn("prod", values.values)
        self.assertEqual(values.page_info.current_count, len(values.values))
        request = tms.ListTagsRequest(resource_types="ecs", project_id=PROJECT, tag_types="resource")
        listed = self.status(200, self.api.list_tags(request))
        self.assertEqual({one.key: one.values for one in listed.tags}, {"env": ["prod"], "team": ["web"]})
        body = tms.ReqDeleteTag(project_id=PROJECT, resources=resources[:1], tags=[{"key": "env", "value": "other"}, {"key": "team"}])
        gone = self.status(200, self.api.delete_resource_tag(tms.DeleteResourceTagRequest(body=body)))
        self.assertEqual(gone.failed_resources, [])
        request = tms.ShowResourceTagRequest(resource_id="r1", project_id=PROJECT, resource_type="ecs")
        self.assertEqual(pairs(self.api.show_resource_tag(request).tags), {"env": "prod"})
        body = tms.ReqDeleteTag(project_id=PROJECT, resources=resources[:1], tags=[{"key": "env"}])
        self.api.delete_resource_tag(tms.DeleteResourceTagRequest(body=body))

    def test_names_of_other_clients(self):
        """Terraform's provider and Cloud Custodian call types by names that the services do not have."""
        for kind in ["private_image", *(kind.replace("-", "_") for kind in DNS_TYPES)]:
            resources = [{"resource_id": "r3", "resource_type": kind}]
            body = tms.ReqCreateTag(project_id=PROJECT, resources=resources, tags=[tag("alias", "yes")])
            made = self.status(200, self.api.create_resource_tag(tms.CreateResourceTagRequest(body=body)))
            self.assertEqual(made.failed_resources, [])
            query = tms.ResqTagResource(project_id=PROJECT, resource_types=[kind], tags=[tms.Tag(key="alias", values=["yes"])])
            found = self.status(200, self.api.list_resource(tms.ListResourceRequest(body=query)))
            self.assertEqual([(one.resource_type, one.resource_id) for one in found.resources], [(kind, "r3")])
            body = tms.ReqDeleteTag(project_id=PROJECT, resources=resources, tags=[{"key": "alias"}])
            self.assertEqual(self.api.delete_resource_tag(tms.DeleteResourceTagRequest(body=body)).failed_resources, [])

    def test_providers(self):
        answer = self.status(200, self.api.list_providers(tms.ListProvidersRequest(locale="en-us", limit=200)))
        self.assertEqual(answer.total_count, len(answer.providers))
        types = {kind.resource_type: kind for one in answer.providers for kind in one.resource_types}
        self.assertLessEqual({"images", "DNS-public_zone", "cts-tracker", "ecs", "cdn", "loadbalancers"}, set(types))
        self.assertNotIn("private_image", types)
        self.assertEqual(getattr(types["cdn"], "_global", None) or types["cdn"].to_dict().get("global"), True)


class OpenStack(Case):
    """The one client of another maker that has calls for these APIs: images' native tags."""

    def test_a_connection_starts_with_the_address_of_a_version(self):
        for base in ["/v2", "/v2/", "/v2.0"]:
            services = {f"{name}_endpoint_override": URL + base for name in ["image", "dns"]}
            login = {"endpoint": URL, "token": TOKEN} if TOKEN else {"endpoint": URL}
            kind = "admin_token" if TOKEN else "none"
            connection = openstack.connection.Connection(auth_type=kind, auth=login, **services)
            self.assertEqual(connection.dns.get_endpoint_data().service_url, f"{URL}/v2/")
            connection.image.add_tag("r2", "found")
            api = client(ImsClient, basic())
            self.assertIn("found", pairs(api.list_image_tags(ims.ListImageTagsRequest(image_id="r2")).tags))
            connection.image.remove_tag("r2", "found")

    def test_native_tags(self):
        login = token_endpoint.Token(f"{URL}/v2", TOKEN) if TOKEN else noauth.NoAuth(endpoint=f"{URL}/v2")
        connection = session.Session(auth=login)
        images = adapter.Adapter(connection, endpoint_override=f"{URL}/v2")
        image = Image(id="r2")
        image.add_tag(images, "silver")
        api = client(ImsClient, basic())
        self.assertEqual(pairs(api.list_image_tags(ims.ListImageTagsRequest(image_id="r2")).tags).get("silver"), "")
        image.remove_tag(images, "silver")
        self.assertNotIn("silver", pairs(api.list_image_tags(ims.ListImageTagsRequest(image_id="r2")).tags))


if __name__ == "__main__":
    unittest.main(verbosity=2)
