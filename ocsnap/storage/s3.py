"""A storage in an S3 bucket: Amazon's, or any other store that speaks the same protocol.

What stores do differently, and what is done about it:

- Amazon checks, keeps and tells the SHA-256 that is sent with an object. The others check
  Content-MD5 alone (Ceph, rclone), and tell an MD5 in the ETag of an object that was put in one
  piece.
- Amazon and Ceph know `If-None-Match: *`. rclone takes it and overwrites all the same, so
  that away from Amazon a look comes before.
- A part of an object is answered with 206, by rclone with 200: only Content-Range tells.
- Some (Google's) know no request that removes many objects: they are removed one by one.
"""

from __future__ import annotations

import base64
import hashlib
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from ocsnap.errors import ObjectExistsError, ObjectMissingError, StorageError, TransientStorageError
from ocsnap.storage.limit import PACED_BYTES, receiving
from ocsnap.storage.name import check_range, checked, checked_prefix, is_name
from ocsnap.storage.prices import USUAL_CLASS
from ocsnap.storage.s3_body import Body
from ocsnap.storage.s3_errors import Explainer
from ocsnap.storage.storage import (
    DELETE_BATCH_OBJECTS,
    LIST_PAGE_OBJECTS,
    LONGEST_OBJECT_BYTES,
    ObjectInfo,
)
from ocsnap.units import KIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from ocsnap.errors import OcsnapError
    from ocsnap.storage.bucket import Bucket
    from ocsnap.storage.object_lock import ObjectLock
    from ocsnap.storage.storage import Buffer, Room

_MD5_ETAG = re.compile(r"[0-9a-f]{32}")
_OUT_OF_RANGE = {"InvalidRange", "416"}
_CONFUSED = (
    *(ResponseParserError, AttributeError, ArithmeticError),
    *(LookupError, TypeError, ValueError),
)
"""What botocore stumbles with over an answer that is none: it checks hardly any of it."""

_PART_BYTES = 256 * KIB
"""urllib3 copies what it hands on, so as much as a processor keeps in its own cache. To read
whole packs took half as long again, for memory that the system gave and took back each time."""

_NO_BATCHES = {"NotImplemented", "MethodNotAllowed", "501", "405"}


class S3Client(Protocol):
    """What is used of boto3's client; names and arguments are boto3's."""

    def put_object(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 # boto3's are untyped
        """Store an object."""
        ...

    def get_object(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 # boto3's are untyped
        """Read an object."""
        ...

    def head_object(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 # boto3's are untyped
        """Ask about an object."""
        ...

    def delete_object(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 # boto3's are untyped
        """Remove an object."""
        ...

    def delete_objects(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 # boto3's are untyped
        """Remove up to 1000 objects."""
        ...

    def list_objects_v2(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 # boto3's are untyped
        """Ask for a page of a listing."""
        ...

    def put_object_retention(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 # boto3's are untyped
        """Lock an object."""
        ...

    def head_bucket(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 # boto3's are untyped
        """Ask about the bucket."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class S3Storage:
    """Keeps objects in a bucket, under a prefix, each put in one request."""

    def __init__(
        self,
        client: S3Client,
        bucket: Bucket,
        lock: ObjectLock | None = None,
    ) -> None:
        """Use a bucket; nothing is sent yet.

        Args:
            client: a client from `make_client`; closed with the storage.
            bucket: where to keep the objects.
            lock: how objects are locked when they are put.
        """
        self._client = client
        self._bucket = bucket
        self._lock = lock
        self._explainer = Explainer(bucket)

    def put(self, name: str, data: Buffer, *, sha256: str) -> ObjectInfo:
        """Store an object; see `Storage.put`."""
        checked(name)
        with self._explained(name):
            answer = self._send(name, data, sha256)
        return ObjectInfo(
            name=name,
            size_bytes=memoryview(data).nbytes,
            md5=None if _is_encrypted(answer) else _md5(answer.get("ETag", "")),
            sha256=sha256 if self._bucket.amazon else None,
        )

    def create(self, name: str, data: Buffer, *, sha256: str) -> None:
        """Store an object if there is none; see `Storage.create`.

        Away from Amazon, a store that does not know conditional puts lets two processes at the
        very same moment both believe to have been first.
        """
        checked(name)
        if not self._bucket.amazon and self._exists(name):
            raise ObjectExistsError(f"{name}: is there already.", name=name)
        with self._explained(name):
            try:
                self._send(name, data, sha256, IfNoneMatch="*")
            except ClientError as error:
                if error.response["Error"].get("Code") != "NotImplemented":
                    raise
                self._send(name, data, sha256)

    def get(self, name: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Return an object's bytes; see `Storage.get`."""
        check_range(offset, length)
        if length == 0:
            self.stat(name)
            return b""
        request = self._object(name)
        ranged = offset != 0 or length is not None
        if ranged:
            request["Range"] = _range(offset, length)
        with self._explained(name):
            try:
                answer = self._client.get_object(**request)
            except ClientError as error:
                if error.response["Error"].get("Code") in _OUT_OF_RANGE:
                    return b""
                raise
            with answer["Body"] as body:
                received = bytearray(self._promised_bytes(answer, name))
                received_bytes = _receive(body, memoryview(received))
        if received_bytes != len(received):
            raise _cut_short(name)
        content = bytes(received)
        if ranged and "ContentRange" not in answer:
            return content[offset:] if length is None else content[offset : offset + length]
        return content

    def get_into(self, name: str, room: Room) -> memoryview:
        """Read an object into memory of the caller's; see `Storage.get_into`."""
        with self._explained(name):
            answer = self._client.get_object(**self._object(name))
            with answer["Body"] as body:
                view = room(self._promised_bytes(answer, name))
                received_bytes = _receive(body, view)
        if received_bytes != len(view):
            raise _cut_short(name)
        return view

    def stat(self, name: str) -> ObjectInfo:
        """Return an object's size and checksums; see `Storage.stat`."""
        request = self._object(name)
        if self._bucket.amazon:
            request["ChecksumMode"] = "ENABLED"
        with self._explained(name):
            answer = self._client.head_object(**request)
            return ObjectInfo(
                name=name,
                size_bytes=answer["ContentLength"],
                md5=None if _is_encrypted(answer) else _md5(answer.get("ETag", "")),
                sha256=_sha256(answer) if self._bucket.amazon else None,
                modified=_seconds(answer.get("LastModified")),
            )

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Find objects; see `Storage.list`.

        The MD5 is the ETag: no such thing where the bucket is encrypted with a KMS key, which
        a listing does not tell. Before an object is called damaged for its MD5, ask `stat`.
        """
        request = {
            "Bucket": self._bucket.name,
            "Prefix": self._bucket.prefix + checked_prefix(prefix),
            "MaxKeys": LIST_PAGE_OBJECTS,
        }
        while True:
            page = self._page(request)
            with self._explained(""):
                found = [*self._infos(page)]
            yield from found
            if not page.get("IsTruncated"):
                return
            token = page.get("NextContinuationToken")
            if not token or token == request.get("ContinuationToken"):
                raise StorageError("The store breaks its listing off and cannot go on.")
            request["ContinuationToken"] = token

    def _infos(self, page: dict[str, Any]) -> Iterator[ObjectInfo]:
        for entry in page.get("Contents", ()):
            name = entry["Key"].removeprefix(self._bucket.prefix)
            if is_name(name):
                md5 = _md5(entry.get("ETag", ""))
                modified = _seconds(entry.get("LastModified"))
                yield ObjectInfo(
                    name,
                    entry["Size"],
                    md5,
                    sha256=None,
                    modified=modified,
                    storage_class=entry.get("StorageClass", USUAL_CLASS),
                )

    def delete(self, name: str) -> None:
        """Remove an object; see `Storage.delete`."""
        request = self._object(name)
        with self._explained(name):
            self._client.delete_object(**request)

    def delete_all(self, names: Iterable[str]) -> None:
        """Remove many objects, a thousand in a request; see `Storage.delete_all`."""
        given = [checked(name) for name in names]
        failures: list[OcsnapError] = []
        for start in range(0, len(given), DELETE_BATCH_OBJECTS):
            failures += self._delete_batch(given[start : start + DELETE_BATCH_OBJECTS])
        # What trying again may mend is worth nothing as long as something else stands against it.
        failures.sort(key=lambda error: isinstance(error, TransientStorageError))
        if failures:
            raise failures[0]

    def _delete_batch(self, names: Sequence[str]) -> Sequence[OcsnapError]:
        prefix = self._bucket.prefix
        request = {"Objects": [{"Key": prefix + name} for name in names], "Quiet": True}
        try:
            with self._explained(names[0]):
                answer = self._client.delete_objects(Bucket=self._bucket.name, Delete=request)
        except StorageError as error:
            return self._delete_each(names) if _knows_no_batches(error) else [error]
        return [
            self._explainer.explain_deletion(failed, failed.get("Key", "").removeprefix(prefix))
            for failed in answer.get("Errors", ())
            if failed.get("Code") != "NoSuchKey"
        ]

    def _delete_each(self, names: Sequence[str]) -> Sequence[OcsnapError]:
        failures = []
        for name in names:
            try:
                self.delete(name)
            except StorageError as error:
                failures.append(error)
        return failures

    def protect(self, name: str) -> None:
        """Lock an object anew; see `Storage.protect`."""
        request = self._object(name)
        if self._lock is None:
            return
        retention = {"Mode": self._lock.mode, "RetainUntilDate": self._lock.until()}
        with self._explained(name):
            self._client.put_object_retention(**request, Retention=retention)

    def check(self) -> None:
        """Ask for one object's name, and Amazon for the bucket's region; see `Storage.check`."""
        # Not HEAD: its answers have no body, and so no word on what is wrong.
        self._page({"Bucket": self._bucket.name, "Prefix": self._bucket.prefix, "MaxKeys": 1})
        if not self._bucket.amazon:
            return
        with self._explained(""):
            answer = self._client.head_bucket(Bucket=self._bucket.name)
        # boto3 finds its way to the right region by itself, with two more requests each time.
        actual = answer.get("BucketRegion", "")
        if actual and actual != self._bucket.region:
            raise self._explainer.wrong_region(actual)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _send(self, name: str, data: Buffer, sha256: str, **condition: str) -> dict[str, Any]:
        if self._bucket.amazon:
            value = _base64(bytes.fromhex(sha256))
            checksum = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": value}
        else:
            md5 = hashlib.md5(data, usedforsecurity=False)
            checksum = {"ContentMD5": _base64(md5.digest())}
        with Body(data) as body:
            request = {**self._object(name), **checksum, **condition}
            if self._lock is not None:
                request |= self._lock.headers(name)
            return self._client.put_object(**request, Body=body)

    def _promised_bytes(self, answer: dict[str, Any], name: str) -> int:
        promised_bytes = int(answer["ContentLength"])
        if promised_bytes > LONGEST_OBJECT_BYTES:
            raise self._explainer.too_long(name, promised_bytes)
        return promised_bytes

    def _page(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._explained(""):
            page = self._client.list_objects_v2(**request)
        # An HTML page (of a hotel, of a proxy) would pass for an empty listing.
        if "IsTruncated" not in page:
            raise self._explainer.no_store()
        return page

    def _exists(self, name: str) -> bool:
        try:
            self.stat(name)
        except ObjectMissingError:
            return False
        return True

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket.name, "Key": self._bucket.prefix + checked(name)}

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Turn what botocore raises into what the caller can act on."""
        try:
            yield
        except (BotoCoreError, ClientError, HTTPError) as error:
            raise self._explainer.explain(error, name) from error
        except _CONFUSED as error:
            raise self._explainer.no_store() from error


def _receive(body: Any, view: memoryview) -> int:  # noqa: ANN401 # boto3's are untyped
    """Fill a view with a body; return how many bytes it has, one more than fit if it has more."""
    flow = receiving()
    step_bytes = _PART_BYTES if flow is None else PACED_BYTES
    received_bytes = 0
    while received_bytes < len(view):
        count = body.readinto(view[received_bytes : received_bytes + step_bytes])
        if not count:
            break
        if flow is not None:
            flow.take(count)
        received_bytes += count
    return received_bytes + len(body.read(1))


def _cut_short(name: str) -> TransientStorageError:
    return TransientStorageError(f"{name}: the answer was cut short.", name=name)


def _range(offset: int, length: int | None) -> str:
    return f"bytes={offset}-" if length is None else f"bytes={offset}-{offset + length - 1}"


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def _is_encrypted(answer: dict[str, Any]) -> bool:
    """Return whether the ETag is that of a ciphertext: with a KMS key, or one of the customer's."""
    scheme = answer.get("ServerSideEncryption", "AES256")
    return "SSECustomerAlgorithm" in answer or scheme not in {"AES256", ""}


def _md5(etag: str) -> str | None:
    plain = etag.strip('"')
    return plain if _MD5_ETAG.fullmatch(plain) else None


def _knows_no_batches(error: StorageError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and cause.response["Error"].get("Code") in _NO_BATCHES


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _sha256(answer: dict[str, Any]) -> str | None:
    """Return the SHA-256 of the whole object; that of parts (`...-3`) says nothing of it."""
    told = answer.get("ChecksumSHA256", "")
    if not told or "-" in told:
        return None
    return base64.b64decode(told).hex()
