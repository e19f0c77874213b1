"""Clients that ask the identity API of tagd at TAGD_URL for what they need, unmodified.

tests/it/access/identity.rs starts the server and runs this file. The access key AK with the secret SK covers the domain
"shop", whose only project is PROJECT with an image r1; the key TWO with the secret SK covers the domain "two", with the projects
two-a and two-b, which are named north-1 and north-1_test. The key OPERATOR with the secret SK covers everything. TAGD_KEY and
TAGD_SECRET are a key of "two" that the database has.
"""
import contextlib
import io
import json
import os
import unittest
from unittest import mock

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
from openstackclient.shell import OpenStackShell

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


class Command(unittest.TestCase):
    """The command `openstack`, loaded once: it is started with variables and arguments, and what it prints is read."""

    def openstack(self, line, access="AK", secret="SK", domain="shop", **variables):
        login = {"OS_USERNAME": access, "OS_PASSWORD": secret, "OS_USER_DOMAIN_NAME": domain} if access else {}
        environment = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], "OS_AUTH_URL": AUTH_URL, **login, **variables}
        out, error = io.StringIO(), io.StringIO()
        with mock.patch.dict(os.environ, environment, clear=True):
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
                code = OpenStackShell().run(line.split())
        self.assertEqual(code, 0, f"{line}: {error.getvalue()}")
        return json.loads(out.getvalue()) if "json" in line else out.getvalue()

    def refused(self, line, **login):
        with self.assertRaises(AssertionError):
            self.openstack(line, **login)

    def names(self, line, **login):
        return sorted(one["Name"] for one in self.openstack(f"{line} -f json", **login))

    def test_a_project(self):
        scope = {"OS_PROJECT_NAME": "web", "OS_PROJECT_DOMAIN_NAME": "shop"}
        self.assertEqual(self.openstack("token issue -f json", **scope)["project_id"], PROJECT)
        self.assertEqual(self.names("project list", **scope), ["web"])
        for name in ("web", PROJECT):
            self.assertEqual(self.openstack(f"project show {name} -f json", **scope)["id"], PROJECT)
        self.refused("project show nowhere", **scope)
        self.refused("project show two-a", **scope)

    def test_a_domain_and_no_scope(self):
        for scope in ({"OS_DOMAIN_NAME": "two"}, {}):
            two = {"access": "TWO", "domain": "two", **scope}
            issued = self.openstack("token issue -f json", **two)
            self.assertEqual((issued["domain_id"], issued.get("project_id")), ("two", None))
            self.assertEqual(self.names("project list", **two), ["north-1", "north-1_test"])
            self.assertEqual(self.names("project list --domain two", **two), ["north-1", "north-1_test"])
            for name in ("north-1_test", "two-b"):
                self.assertEqual(self.openstack(f"project show {name} -f json", **two)["id"], "two-b")
            self.assertEqual(self.names("domain list", **two), ["two"])
            self.assertEqual(self.openstack("domain show two -f json", **two)["id"], "two")
            for foreign in ("project show web", "domain show shop", "domain show nowhere"):
                self.refused(foreign, **two)
        self.refused("token issue", access="TWO", secret="wrong", domain="two")

    def test_the_system(self):
        operator = {"access": "OPERATOR", "domain": "default", "OS_SYSTEM_SCOPE": "all"}
        self.assertEqual(self.openstack("token issue -f json", **operator)["system"], "all")
        self.assertEqual(self.names("project list", **operator), ["north-1", "north-1_test", "web"])
        self.assertEqual(self.names("project list --domain shop", **operator), ["web"])
        self.assertEqual(self.openstack("project show web -f json", **operator)["domain_id"], "shop")
        self.assertEqual(self.names("domain list", **operator), ["shop", "two"])
        self.assertEqual(self.openstack("domain show shop -f json", **operator)["name"], "shop")

    def test_the_catalog(self):
        scope = {"OS_PROJECT_ID": PROJECT}
        types = {"image", "dns", "tms", "cts", "identity"}
        for line in ("catalog list", "service list"):
            self.assertEqual({one["Type"] for one in self.openstack(f"{line} -f json", **scope)}, types)
        endpoints = {one["Service Type"]: one["URL"] for one in self.openstack("endpoint list -f json", **scope)}
        self.assertEqual((set(endpoints), endpoints["tms"]), (types, URL + "/v1.0"))
        self.assertEqual(self.openstack("catalog show image -f json", **scope)["name"], "ims")
        for service in ("image", "ims"):
            self.assertEqual(self.openstack(f"service show {service} -f json", **scope)["type"], "image")
        self.assertEqual(self.openstack("endpoint show dns-public -f json", **scope)["service_name"], "dns")
        self.refused("service show nowhere", **scope)

    def test_a_token_is_narrowed_and_revoked(self):
        key = {"access": os.environ["TAGD_KEY"], "secret": os.environ["TAGD_SECRET"], "domain": "two"}
        token = self.openstack("token issue -f json", **key)["id"]
        by_token = {"access": None, "OS_AUTH_TYPE": "token", "OS_TOKEN": token, "OS_PROJECT_ID": "two-a"}
        self.assertEqual(self.openstack("token issue -f json", **by_token)["project_id"], "two-a")
        self.openstack(f"token revoke {token}", **key)
        self.refused("token issue", **by_token)


if __name__ == "__main__":
    unittest.main()
