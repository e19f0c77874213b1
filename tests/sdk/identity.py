"""Clients that ask the identity API of tagd at TAGD_URL for what they need, unmodified.

tests/it/access/identity.rs starts the server and runs this file. The access key AK with the secret SK covers the domain
"shop", whose only project is PROJECT with an image r1; the key TWO with the secret SK covers the domain "two", with the projects
two-a and two-b, which are named north-1 and north-1_test.
"""
import os
import unittest

import openstack
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import SdkException
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkims.v2 import ImsClient
from huaweicloudsdkims.v2 import model as ims
from huaweicloudsdktms.v1 import TmsClient
from huaweicloudsdktms.v1 import model as tms
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

URL = os.environ["TAGD_URL"]
AUTH_URL = URL + "/v3"
PROJECT = "0123456789abcdef0123456789abcdef"
os.environ["HUAWEICLOUD_SDK_IAM_ENDPOINT"] = URL


def password(**scope):
    return v3.Password(auth_url=AUTH_URL, username="AK", user_domain_name="shop", password="SK", **scope)


class Sdk(unittest.TestCase):
    """The official SDKs with a region and without a project or a domain."""

    def client(self, kind, credentials, region="north-1"):
        return kind.new_builder().with_credentials(credentials).with_region(Region(region, URL)).build()

    def tags(self, access, region):
        api = self.client(ImsClient, BasicCredentials(access, "SK"), region)
        return api.list_image_tags(ims.ListImageTagsRequest(image_id="r1")).tags

    def test_the_only_project_of_a_key_is_that_of_any_region(self):
        for region in ("north-1", "region-1"):
            self.assertEqual([one.key for one in self.tags("AK", region)], ["env"])

    def test_a_project_is_found_by_the_name_of_its_region(self):
        self.assertEqual([one.key for one in self.tags("TWO", "north-1")], ["a"])
        self.assertEqual([one.key for one in self.tags("TWO", "north-1_test")], ["b"])

    def test_several_projects_are_listed_for_the_region_of_tagd(self):
        with self.assertRaises(SdkException) as caught:
            self.tags("TWO", "region-1")
        self.assertIn("[two-a,two-b]", caught.exception.error_msg)

    def test_the_domain_of_a_key_is_found(self):
        credentials = GlobalCredentials("AK", "SK")
        api = self.client(TmsClient, credentials)
        keys = api.list_tag_keys(tms.ListTagKeysRequest()).keys
        self.assertEqual((keys, credentials.domain_id), (["env"], "shop"))


class Keystone(unittest.TestCase):
    """keystoneauth and openstacksdk."""

    def test_a_project_by_name_and_by_id(self):
        for scope in ({"project_id": PROJECT}, {"project_name": "web", "project_domain_id": "shop"}):
            auth = password(**scope)
            client = session.Session(auth)
            self.assertEqual(client.get_project_id(), PROJECT)
            found = client.get(f"/{PROJECT}/images/r1/tags", endpoint_filter={"service_type": "image"})
            self.assertEqual(found.json(), {"tags": [{"key": "env", "value": "prod"}]})
            access = auth.get_access(client)
            self.assertEqual((access.project_name, access.project_domain_id, access.username), ("web", "shop", "sdk"))
            self.assertEqual(access.role_names, ["reader", "member"])
            self.assertFalse(access.will_expire_soon(3000))

    def test_a_domain_and_a_token_with_another_scope(self):
        client = session.Session(password(domain_id="shop"))
        found = client.get("/tag-keys", endpoint_filter={"service_type": "tms"})
        self.assertEqual(found.json()["keys"], ["env"])
        narrower = v3.Token(auth_url=AUTH_URL, token=client.get_token(), project_id=PROJECT)
        self.assertEqual(narrower.get_access(session.Session(narrower)).project_id, PROJECT)

    def test_a_wrong_password_and_a_foreign_project(self):
        for auth in (
            v3.Password(auth_url=AUTH_URL, username="AK", user_domain_id="shop", password="wrong", unscoped=True),
            password(project_id="two-a"),
            password(domain_id="two"),
            password(system_scope="all"),
        ):
            with self.assertRaises(exceptions.Unauthorized):
                session.Session(auth).get_token()

    def test_openstacksdk_logs_in_and_lists(self):
        cloud = openstack.connect(
            auth_url=AUTH_URL, username="AK", user_domain_name="shop", password="SK", project_id=PROJECT,
            region_name="region-1", identity_api_version="3",
        )
        self.assertEqual([one.id for one in cloud.identity.projects()], [PROJECT])
        self.assertEqual(cloud.current_project_id, PROJECT)
        self.assertEqual({one.type for one in cloud.identity.services()}, {"image", "dns", "tms", "cts", "identity"})
        self.assertEqual(len(list(cloud.identity.endpoints(interface="public"))), 5)


if __name__ == "__main__":
    unittest.main()
