from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ocsnap.errors import OwncloudError
from ocsnap.owncloud.web_server import WebServer
from tests.servers.database_server import free_port
from tests.servers.owncloud_web import running_web

if TYPE_CHECKING:
    from tests.owncloud.conftest import Parts


def test_the_web_server_says_whether_it_is_frozen(parts: Parts):
    with running_web(parts.site.root) as url:
        web = WebServer(url + "/")
        assert not web.in_maintenance()
        parts.occ.set_maintenance(on=True)
        assert web.in_maintenance()
        parts.occ.set_maintenance(on=False)
        assert not web.in_maintenance()


def test_status_alone_is_not_believed_while_webdav_lets_in(parts: Parts):
    (parts.site.root / "remote.php").write_text("<?php http_response_code(207);")
    parts.occ.set_maintenance(on=True)
    with running_web(parts.site.root) as url:
        assert not WebServer(url).in_maintenance()


def test_a_server_that_does_not_answer_is_an_error():
    with pytest.raises(OwncloudError, match=r"cannot be asked: .*refused") as caught:
        WebServer(f"http://127.0.0.1:{free_port()}").in_maintenance()
    assert "owncloud.url" in caught.value.hint


@pytest.mark.parametrize("body", ["It works!", "[]", '{"other": 1}', "null"])
def test_an_answer_that_is_not_owncloud_is_an_error(parts: Parts, body: str):
    (parts.site.root / "status.php").write_text(body)
    with (
        running_web(parts.site.root) as url,
        pytest.raises(OwncloudError, match="answers 200, but not as ownCloud does"),
    ):
        WebServer(url).in_maintenance()


@pytest.mark.parametrize("url", ["cloud.example.org", "file:///etc/passwd", "ftp://x", "https://"])
def test_only_web_addresses_are_addresses(url: str):
    with pytest.raises(OwncloudError, match="no web address"):
        WebServer(url)
