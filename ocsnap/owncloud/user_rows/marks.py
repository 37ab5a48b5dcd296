"""What hangs on files: comments, tags, favourites, properties; and the rows of the trash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocsnap.owncloud.user_rows.target import Act, number_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocsnap.owncloud.user_rows.file_ids import FileIds
    from ocsnap.owncloud.user_rows.target import Row, Target, Value

_FILES: Final = "files"
_DELETED: Final = "deleted_users"
"""Author of the comments of a deleted user: lib/public/Comments/ICommentsManager.php."""

_NOT_THERE: Final = "its file is not there"
_TOLD_CHARACTERS: Final = 60


class Marks:
    """What hangs on the files of one user."""

    def __init__(self, target: Target, user: str) -> None:
        """Prepare.

        Args:
            target: both databases.
            user: the user's id.
        """
        self._target = target
        self._user = user

    # -- comments ----------------------------------------------------------------------------

    def comment_files(self) -> set[int]:
        """Return the numbers of all files with comments, in the dump."""
        tables = ("comments", "comments_read_markers")
        return {_file(row) for table in tables for row in self._target.rows(table)}

    def bring_comments(self, files: FileIds) -> None:
        """Bring back comments at the user's files, and the user's own at others'."""
        numbers: dict[int, int] = {}
        for row in self._target.rows("comments"):
            old = _file(row)
            mine = text_of(row["actor_type"]) == "users" and text_of(row["actor_id"]) == self._user
            if text_of(row["object_type"]) != _FILES or not (mine or files.is_mine(old)):
                continue
            words = text_of(row["message"])[:_TOLD_CHARACTERS]
            told = f"{files.path(old)}: {text_of(row['actor_id'])}: {words}"
            today = files.today(old)
            if today is None:
                self._target.skip("comments", told, _NOT_THERE)
                continue
            row["object_id"] = str(today)
            numbers[number_of(row["id"])] = self._bring_comment(row, numbers, told)
        for row in self._target.rows("comments_read_markers"):
            if text_of(row["user_id"]) == self._user and text_of(row["object_type"]) == _FILES:
                key = ["user_id", "object_type", "object_id"]
                self._bring("comments_read_markers", row, key, files)

    def _bring_comment(self, row: Row, numbers: dict[int, int], told: str) -> int:
        for column in ("parent_id", "topmost_parent_id"):
            old = number_of(row[column])
            if old:
                new = numbers.get(old, old)
                row[column] = new if isinstance(row[column], int) else str(new)
        place = ("object_type", "object_id", "creation_timestamp", "verb")
        nameless: dict[str, Value] = {name: row[name] for name in place}
        nameless |= {"id": row["id"], "actor_type": _DELETED}
        if self._target.find("comments", nameless) is not None:
            author = {name: row[name] for name in ("actor_type", "actor_id")}
            self._target.update("comments", {"id": row["id"]}, author, told=told)
            return number_of(row["id"])
        key = [*place, "actor_type", "actor_id"]
        same: dict[str, Value] = {name: row[name] for name in ("id", *key)}
        if self._target.find("comments", same) is not None:
            # Also one that was edited since.
            self._target.tell(Act.PRESENT, "comments", told)
            return number_of(row["id"])
        return self._target.bring("comments", row, [*key, "message"], told=told, number="id")

    # -- tags and favourites -----------------------------------------------------------------

    def tag_files(self) -> set[int]:
        """Return the numbers of all files with tags, in the dump."""
        rows = self._target.rows("systemtag_object_mapping")
        return {number_of(row["objectid"]) for row in rows}

    def bring_tags(self, files: FileIds) -> None:
        """Bring back tags on the user's files; a tag that is gone is made again."""
        tags = {number_of(row["id"]): row for row in self._target.rows("systemtag")}
        numbers: dict[int, int] = {}
        for row in self._target.rows("systemtag_object_mapping"):
            file, tag = number_of(row["objectid"]), number_of(row["systemtagid"])
            if text_of(row["objecttype"]) != _FILES or not files.is_mine(file) or tag not in tags:
                continue
            name = text_of(tags[tag]["name"])
            told = f"{files.path(file)}: {name}"
            today = files.today(file)
            if today is None:
                self._target.skip("systemtag_object_mapping", told, _NOT_THERE)
                continue
            if tag not in numbers:
                key = ["name", "visibility", "editable"]
                numbers[tag] = self._target.bring(
                    "systemtag", dict(tags[tag]), key, told=f"tag {name}", number="id"
                )
            row["objectid"], row["systemtagid"] = str(today), numbers[tag]
            key = ["objectid", "objecttype", "systemtagid"]
            self._target.bring("systemtag_object_mapping", row, key, told=told)

    def favourite_files(self) -> set[int]:
        """Return the numbers of the user's favourites and of what has their own categories."""
        mine = self._categories().keys()
        rows = self._target.rows("vcategory_to_object")
        return {number_of(row["objid"]) for row in rows if number_of(row["categoryid"]) in mine}

    def _categories(self) -> dict[int, Row]:
        rows = self._target.rows("vcategory")
        return {number_of(row["id"]): row for row in rows if text_of(row["uid"]) == self._user}

    def bring_favourites(self, files: FileIds) -> None:
        """Bring back the user's favourites and own categories of files."""
        categories = self._categories()
        numbers: dict[int, int] = {}
        for row in self._target.rows("vcategory_to_object"):
            category, file = number_of(row["categoryid"]), number_of(row["objid"])
            if category not in categories or text_of(row["type"]) != _FILES:
                continue
            name = text_of(categories[category]["category"])
            told = f"{files.path(file)}: {name}"
            today = files.today(file)
            if today is None:
                self._target.skip("vcategory_to_object", told, _NOT_THERE)
                continue
            if category not in numbers:
                numbers[category] = self._target.bring(
                    "vcategory",
                    dict(categories[category]),
                    ["uid", "type", "category"],
                    told=f"category {name}",
                    number="id",
                )
            row["objid"], row["categoryid"] = today, numbers[category]
            key = ["categoryid", "objid", "type"]
            self._target.bring("vcategory_to_object", row, key, told=told)

    # -- properties --------------------------------------------------------------------------

    def property_files(self) -> set[int]:
        """Return the numbers of all files with properties of WebDAV, in the dump."""
        return {number_of(row.get("fileid")) for row in self._target.rows("properties")}

    def bring_properties(self, files: FileIds) -> None:
        """Bring back what clients noted at the user's files."""
        by_file = "fileid" in self._target.columns("properties")
        for row in self._target.rows("properties"):
            name = text_of(row["propertyname"])
            if by_file and "fileid" in row and files.is_mine(number_of(row["fileid"])):
                file = number_of(row["fileid"])
                told = f"{files.path(file)}: {name}"
                today = files.today(file)
                if today is None:
                    self._target.skip("properties", told, _NOT_THERE)
                    continue
                row["fileid"] = today
                key = ["fileid", "propertyname"]
                self._target.bring("properties", row, key, told=told, number="id")
            elif not by_file and text_of(row.get("userid")) == self._user:
                # Before ownCloud 10 they hang on the path.
                told = f"{text_of(row['propertypath'])}: {name}"
                key = ["userid", "propertypath", "propertyname"]
                self._target.bring("properties", row, key, told=told, number="id")

    # -- trash -------------------------------------------------------------------------------

    def bring_trash(self, will_exist: Callable[[str], bool]) -> None:
        """Bring back the rows of what is in the trash: where it was deleted from.

        Args:
            will_exist: whether a path in the home will be there when all is done.
        """
        for row in self._target.rows("files_trash"):
            if text_of(row["user"]) != self._user:
                continue
            name, when = text_of(row["id"]), text_of(row["timestamp"])
            told = f"{text_of(row['location'])}/{name}, deleted at {when}"
            if will_exist(f"files_trashbin/files/{name}.d{when}"):
                key = ["id", "user", "timestamp"]
                self._target.bring("files_trash", row, key, told=told, number="auto_id")
            else:
                self._target.skip("files_trash", told, "it is not in the trash any more")

    def _bring(self, table: str, row: Row, key: list[str], files: FileIds) -> None:
        old = _file(row)
        today = files.today(old)
        told = files.path(old)
        if today is None:
            self._target.tell(Act.SKIP, table, told, _NOT_THERE)
            return
        row["object_id"] = str(today)
        self._target.bring(table, row, key, told=told)


def _file(row: Row) -> int:
    return number_of(row["object_id"])
