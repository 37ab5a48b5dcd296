"""A store that answers with anything: it is told in one sentence, and nothing else happens."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocsnap.errors import OcsnapError, StorageError
from ocsnap.storage.storage import LONGEST_OBJECT_BYTES
from tests.storage.objects import create, opened, put, room
from tests.storage.rough_line import Answer, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocsnap.config import RepositoryConfig
    from ocsnap.storage.s3 import S3Storage
    from tests.storage.rough_line import Forward, Happening, Request, RoughLine

CALLS: dict[str, Callable[[S3Storage], object]] = {
    "put": put,
    "create": create,
    "get": lambda storage: storage.get("packs/1"),
    "get into": lambda storage: storage.get_into("packs/1", room),
    "get a part": lambda storage: storage.get("packs/1", offset=3, length=5),
    "stat": lambda storage: storage.stat("packs/1"),
    "list": lambda storage: [*storage.list()],
    "delete": lambda storage: storage.delete("packs/1"),
    "delete_all": lambda storage: storage.delete_all(["packs/1", "packs/2"]),
    "check": lambda storage: storage.check(),
}

LISTING = b"""<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>1
</KeyCount><Contents><Key>cloud/packs/1</Key><Size>5</Size><ETag>"0"</ETag><LastModified>
2026-11-01T20:30:00.000Z</LastModified></Contents></ListBucketResult>"""
PIECES = st.sampled_from(
    [
        b"<Size>",
        b"</Size>",
        b"<Key/>",
        b"<Contents/>",
        b"<Size>many</Size>",
        b"<LastModified>yesterday</LastModified>",
        b"<IsTruncated>perhaps</IsTruncated>",
        b"<IsTruncated>true</IsTruncated>",
        b"<NextContinuationToken>x</NextContinuationToken>",
        b"<Error><Code>Odd</Code></Error>",
        b"<DeleteResult><Error/></DeleteResult>",
        b"<!DOCTYPE a [<!ENTITY b 'cc'><!ENTITY d '&b;&b;'>]>",
        b"&d;",
        b"]]>",
        b"\x00\xff",
    ]
)
BODIES = (
    st.binary(max_size=200)
    | st.lists(PIECES, max_size=8).map(b"".join)
    | st.tuples(st.integers(0, len(LISTING)), st.integers(0, 60), PIECES).map(
        lambda cut: LISTING[: cut[0]] + cut[2] + LISTING[cut[0] + cut[1] :]
    )
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "ETag",
            "Last-Modified",
            "Content-Range",
            "x-amz-bucket-region",
            "x-amz-checksum-sha256",
            "x-amz-server-side-encryption",
            "Content-Type",
            "Location",
        ]
    ),
    st.text("abc-/:0 =", max_size=20),
    max_size=3,
)


class Liar:
    """A storage whose store answers as it is told."""

    def __init__(self, storage: S3Storage, line: RoughLine) -> None:
        self.storage = storage
        self.line = line


@pytest.fixture
def liar(rough_s3: S3Storage, line: RoughLine) -> Iterator[Liar]:
    yield Liar(rough_s3, line)
    # botocore lets go of a connection whose headers it cannot read, without closing it.
    gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", CALLS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    status=st.sampled_from([200, 200, 200, 204, 206, 301, 307, 400, 403, 404, 412, 416, 500, 503]),
    headers=HEADERS,
    body=BODIES,
)
def test_any_answer_is_an_answer_or_an_error_of_ours(
    liar: Liar, name: str, status: int, headers: dict[str, str], body: bytes
):
    liar.line.seen.clear()
    liar.line.plan = [_saying(status, headers, body)] * 20
    try:
        CALLS[name](liar.storage)
    except OcsnapError as error:
        assert error.message  # noqa: PT017 - any other error ends the test
    assert len(liar.line.seen) < 20, "it was asked on and on"


def _saying(status: int, headers: dict[str, str], body: bytes) -> Happening:
    def say(request: Request, forward: Forward) -> Answer | None:
        del forward
        sent = b"" if request.method == "HEAD" or status == 204 else body
        told = {"Content-Length": str(len(sent)), **headers}
        return Answer(status, tuple(told.items()), sent)

    return say


def test_a_listing_that_begins_again_and_again_ends(rough_s3: S3Storage, line: RoughLine):
    page = LISTING.replace(
        b"<IsTruncated>false</IsTruncated>",
        b"<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>",
    )
    line.plan = [said(200, page)] * 100
    with pytest.raises(StorageError, match="cannot go on"):
        [*rough_s3.list()]
    assert len(line.seen) == 2


def test_an_object_that_would_fill_the_memory_is_not_read(rough_s3: S3Storage, line: RoughLine):
    def endless(request: Request, forward: Forward) -> Answer | None:
        del request, forward
        return Answer(200, (("Content-Length", str(LONGEST_OBJECT_BYTES + 1)),), b"x" * 1000)

    line.plan = [endless, endless]
    with pytest.raises(StorageError, match="no object of ocsnap's is so long"):
        rough_s3.get("packs/1")
    with pytest.raises(StorageError, match="no object of ocsnap's is so long"):
        rough_s3.get_into("packs/1", room)


def test_an_object_of_no_length_is_not_read(s3_config: RepositoryConfig, line: RoughLine):
    def chunked(request: Request, forward: Forward) -> Answer | None:
        del request, forward
        return Answer(200, (), b"x" * 1000)

    with opened(s3_config, endpoint=line.endpoint) as storage:
        line.plan = [chunked, chunked]
        with pytest.raises(StorageError):
            storage.get("packs/1")
        with pytest.raises(StorageError):
            storage.get_into("packs/1", room)
