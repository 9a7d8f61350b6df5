"""LanceDB's errors, and the file system's, in our words."""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.errors import ArtifactCorrupt, BackendUnavailable, ConfigurationError, ProductError

logger = logging.getLogger(__name__)


@contextmanager
def translated(collection: str) -> Iterator[None]:
    """LanceDB's errors, and the file system's, become ours; anything else is a bug and passes."""
    try:
        yield
    except OSError as error:
        raise _from_errno(collection, error, error.errno) from error
    except RuntimeError as error:
        if not str(error).startswith("lance error"):
            raise
        raise _from_lance(collection, error) from error


def _from_lance(collection: str, error: RuntimeError) -> ProductError:
    if re.search(r"commit conflict|concurrent|contention", str(error), re.IGNORECASE):
        return BackendUnavailable(f"collection {collection} was changed by another process meanwhile")
    code = re.search(r"\(os error (\d+)\)", str(error))
    return _from_errno(collection, error, int(code[1])) if code else corrupt(collection, error)


def _from_errno(collection: str, error: Exception, code: int | None) -> ProductError:
    reason = os.strerror(code) if code else str(error)
    if code == errno.ENOENT:
        return corrupt(collection, error)
    if code in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        advice = "give this user a folder it may write to, by EXPERTLOOP_HOME or EXPERTLOOP_INDEX_URL"
        return ConfigurationError(f"the folder of collection {collection} cannot be used: {reason}", advice=advice)
    return BackendUnavailable(
        f"collection {collection} cannot be read or written: {reason}", advice="check the disk, then run again"
    )


def corrupt(collection: str, error: Exception) -> ArtifactCorrupt:
    """What a table is that cannot be read although it is there."""
    logger.debug("collection unreadable collection=%s error=%s", collection, error)
    return ArtifactCorrupt(
        f"collection {collection} is damaged on disk",
        advice="delete the index folder and run `expertloop ingest` again: the index is rebuilt from the database",
    )
