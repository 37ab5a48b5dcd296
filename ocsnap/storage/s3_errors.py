"""Turns what botocore raises into ocsnap's errors, with what to do about each.

Error codes: Amazon S3 API Reference, "Error responses". A HEAD has no body to carry one, so that
botocore gives the HTTP status in its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from urllib3.exceptions import HTTPError

from ocsnap.errors import (
    AccessDeniedError,
    NoRepositoryError,
    ObjectExistsError,
    ObjectMissingError,
    OcsnapError,
    StorageError,
    TransientStorageError,
)

if TYPE_CHECKING:
    from ocsnap.storage.bucket import Bucket

_MISSING = {"NoSuchKey", "404", "NotFound"}
_EXISTS = {"PreconditionFailed", "412"}
_WRONG_REGION = {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "301",
}
_TRANSIENT = {
    "BadDigest",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottlingException",
    "TooManyRequests",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
}
_TRANSIENT_STATUS = {408, 429, 500, 502, 503, 504}
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}
_NO_KEY = (CredentialRetrievalError, NoCredentialsError, PartialCredentialsError)
_UNREACHABLE = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError)
_BROKEN = (
    ConnectionClosedError,
    HTTPClientError,
    HTTPError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
_CLOCK_WORDS = "difference between the request time"
"""rclone calls a request from the past AccessDenied, with S3's own words on the time."""

_NO_LOCKS = re.compile("missing Object ?Lock ?Configuration")
"""Amazon's words, under the code InvalidRequest that stands for much else."""

_TRUST = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "doesn't match")
_CONNECTION = re.compile(r"^AWSHTTPS?Connection\([^)]*\): ")

_DENIED = {
    "InvalidAccessKeyId": (
        "the store does not know this access key id",
        "Check repository.access_key_id, and that the key is still active.",
    ),
    "SignatureDoesNotMatch": (
        "the secret does not belong to the access key id",
        "Check repository.secret_access_key_file: its first line must be the secret, nothing else.",
    ),
    "ExpiredToken": (
        "the temporary credentials have expired",
        "Get new ones, or let the key come from a role or a profile that renews itself.",
    ),
    "InvalidToken": (
        "the session token of the credentials is not valid",
        "Get new ones, or give access_key_id and secret_access_key_file.",
    ),
}
_DENIED_ELSE = (
    "the store accepts the key but does not allow this",
    "Allow s3:ListBucket on the bucket; s3:GetObject, PutObject and DeleteObject on its objects.",
)
_DENIED_HEAD = (
    "the store does not allow this",
    "Check access_key_id, its secret, and that s3:ListBucket and s3:GetObject are allowed.",
)


_DELETION_DENIED = {"AccessDenied", "AllAccessDisabled"}


@dataclass(frozen=True)
class _Answer:
    """What a store said is wrong."""

    name: str
    subject: str
    code: str
    status: int
    message: str
    region: str

    def said(self) -> str:
        return f"{self.subject}: {self.message.rstrip('.')} (S3: {self.code})."


def _answer(error: ClientError, name: str, subject: str) -> _Answer:
    response: dict[str, Any] = {**error.response}
    said = response.get("Error", {})
    metadata = response.get("ResponseMetadata", {})
    headers = metadata.get("HTTPHeaders", {})
    return _Answer(
        name=name,
        subject=subject,
        code=str(said.get("Code", "")),
        status=int(metadata.get("HTTPStatusCode", 0)),
        message=said.get("Message") or "the store refuses, and gives no reason",
        region=said.get("Region") or headers.get("x-amz-bucket-region", ""),
    )


class Explainer:
    """Words errors for one bucket."""

    def __init__(self, bucket: Bucket) -> None:
        """Word errors that concern `bucket`."""
        self._bucket = bucket

    def explain(self, error: Exception, name: str) -> OcsnapError:
        """Return the error to raise in the place of `error`.

        Args:
            error: what botocore raised, or urllib3 while an answer's body was read.
            name: the object concerned, or an empty string for the bucket.

        Returns:
            An error of ocsnap's, with a hint.
        """
        if isinstance(error, ClientError):
            return self._of_answer(_answer(error, name, self._subject(name)))
        return self._of_connection(error, name)

    def explain_deletion(self, failed: dict[str, Any], name: str) -> OcsnapError:
        """Return the error for one object that a request for many could not remove.

        Args:
            failed: its item in the answer's list of errors.
            name: the object.

        Returns:
            An error of ocsnap's, with a hint.
        """
        code = str(failed.get("Code", ""))
        # The answer as a whole is a success; the object's own has no status.
        status = 403 if code in _DELETION_DENIED else 200
        said = failed.get("Message") or "it cannot be removed"
        return self._of_answer(
            _Answer(name, self._subject(name), code, status, message=said, region="")
        )

    def wrong_region(self, actual: str) -> StorageError:
        """Return the error for a bucket in another region.

        Args:
            actual: the region where the bucket is; empty when the store does not say.

        Returns:
            An error whose hint names the setting.
        """
        sentence = f"The bucket {self._bucket.name} is not in the region {self._bucket.region}."
        if actual:
            return StorageError(sentence, hint=f'Set repository.region = "{actual}".')
        return StorageError(sentence, hint="Set repository.region to the bucket's own.")

    def too_long(self, name: str, size_bytes: int) -> StorageError:
        """Return the error for an object that is longer than any of ocsnap's.

        Args:
            name: the object.
            size_bytes: how long the store says it is.
        """
        return StorageError(
            f"{self._subject(name)}: has {size_bytes} bytes, and no object of ocsnap's is so long.",
            hint="Somebody else has put it there.",
            name=name,
        )

    def no_store(self) -> StorageError:
        """Return the error for an answer that no S3 store gives."""
        return StorageError(
            f"{self._bucket.endpoint}: answers, but not as an S3 store.",
            hint="Check repository.endpoint, and whether a proxy stands in between.",
        )

    def _of_answer(self, answer: _Answer) -> OcsnapError:
        return (
            self._of_object(answer)
            or self._of_setting(answer)
            or self._of_key(answer)
            or StorageError(answer.said(), name=answer.name)
        )

    def _of_object(self, answer: _Answer) -> OcsnapError | None:
        if answer.code == "NoSuchBucket" or (answer.code in _MISSING and not answer.name):
            return NoRepositoryError(
                f"There is no bucket {self._bucket.name} at {self._bucket.endpoint}.",
                hint="Create it, or check repository.url, region and endpoint.",
            )
        if answer.code in _MISSING:
            return ObjectMissingError(
                f"{answer.subject}: there is no such object.", name=answer.name
            )
        if answer.code in _EXISTS:
            return ObjectExistsError(f"{answer.subject}: is there already.", name=answer.name)
        if answer.code == "InvalidObjectState":
            return StorageError(
                f"{answer.subject}: lies in cold storage.",
                hint="Restore it from the cold storage class first, then try again.",
                name=answer.name,
            )
        return None

    def _of_setting(self, answer: _Answer) -> OcsnapError | None:
        if answer.code in _WRONG_REGION:
            return self.wrong_region(answer.region)
        if answer.code in _CLOCK or _CLOCK_WORDS in answer.message:
            return StorageError(
                f"{self._bucket.endpoint}: rejects requests since this machine's clock is wrong.",
                hint="Set the clock (timedatectl set-ntp true), then try again.",
                name=answer.name,
            )
        if _NO_LOCKS.search(answer.message):
            return StorageError(
                f"The bucket {self._bucket.name} locks no objects.",
                hint="Make one with object lock, see docs/bucket.md, or take object_lock_mode and"
                " object_lock_days away.",
                name=answer.name,
            )
        if answer.code in _TRANSIENT or answer.status in _TRANSIENT_STATUS:
            return TransientStorageError(answer.said(), name=answer.name)
        return None

    def _of_key(self, answer: _Answer) -> OcsnapError | None:
        if answer.status not in {401, 403} and answer.code not in _DENIED:
            return None
        unexplained = _DENIED_HEAD if answer.code.isdigit() else _DENIED_ELSE
        reason, hint = _DENIED.get(answer.code, unexplained)
        return AccessDeniedError(
            f"{answer.subject}: {reason} (S3: {answer.code}).", hint=hint, name=answer.name
        )

    def _of_connection(self, error: Exception, name: str) -> OcsnapError:
        if isinstance(error, _NO_KEY):
            return AccessDeniedError(
                f"There is no key for S3: {_cause(error)}.",
                hint="Set repository.access_key_id and secret_access_key_file, or a profile.",
                name=name,
            )
        if isinstance(error, SSLError):
            return self._of_tls(error, name)
        if isinstance(error, _UNREACHABLE):
            wrong = "repository.region" if self._bucket.amazon else "repository.endpoint"
            return TransientStorageError(
                f"{self._bucket.endpoint}: cannot be reached: {_cause(error)}.",
                hint=f"Check the network and {wrong}.",
                name=name,
            )
        if isinstance(error, _BROKEN):
            return TransientStorageError(
                f"{self._subject(name)}: the connection broke: {_cause(error)}.",
                hint=""
                if self._bucket.amazon
                else "Check that http or https in the endpoint is right.",
                name=name,
            )
        return StorageError(f"{self._subject(name)}: {_cause(error)}.", name=name)

    def _of_tls(self, error: SSLError, name: str) -> StorageError:
        reason = _cause(error)
        if any(word in reason for word in _TRUST):
            return StorageError(
                f"{self._bucket.endpoint}: the TLS connection cannot be trusted: {reason}.",
                hint="Check repository.endpoint (host name, https), and set repository.ca_file if"
                " the store has an authority of its own.",
                name=name,
            )
        return TransientStorageError(
            f"{self._bucket.endpoint}: TLS broke off: {reason}.", name=name
        )

    def _subject(self, name: str) -> str:
        return f"s3://{self._bucket.name}/{self._bucket.prefix}{name}"


def _cause(error: Exception) -> str:
    """Return the plainest reason: the system's own words where botocore keeps them."""
    inner = error.kwargs.get("error", error) if isinstance(error, BotoCoreError) else error
    return _CONNECTION.sub("", str(inner)).rstrip(".")
