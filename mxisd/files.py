"""Files that are put in place whole or not at all, readable by their owner only, if nothing else is said."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def create(path: Path, content: bytes) -> bool:
    """
    Make a file; ``False``, and no effect, if there is one of this name already, even from a moment ago.

    Raises :class:`OSError`.
    """
    with _written(path, content) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
    _sync_folder(path)
    return True


def fill(path: Path, content: bytes) -> bool:
    """
    Write into a file that is there and empty; ``False``, and no effect, if it is not empty, even since a moment ago.

    It keeps its owner and its mode.  Raises :class:`OSError`.
    """
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.read().strip():
            return False
        file.seek(0)
        _write(file, content)
    return True


def replace(path: Path, content: bytes) -> None:
    """Put a file in the place of any that is there.  Raises :class:`OSError`."""
    with _written(path, content) as temporary:
        temporary.replace(path)
    _sync_folder(path)


# What the owner and a group may do with a file that others of that group read.
_SHARED = 0o640


def share(path: Path, content: bytes) -> None:
    """
    Put a file in place that its group may read, and nobody else.

    One that is there keeps its group, its owner if we may, and stricter rights.  It is written into where it cannot be
    replaced: in a folder that is not ours, or as a mount of its own in a container.  Raises :class:`OSError`.
    """
    path = Path(os.path.realpath(path))
    try:
        before = path.stat()
    except FileNotFoundError:
        before = None
    mode = _SHARED if before is None else (before.st_mode & _SHARED) | stat.S_IRUSR | stat.S_IWUSR
    try:
        with _written(path, content) as temporary:
            if before is not None:
                os.chown(temporary, -1, before.st_gid)
                with suppress(PermissionError):
                    os.chown(temporary, before.st_uid, -1)
            temporary.chmod(mode)
            temporary.replace(path)
        _sync_folder(path)
    except OSError:
        if before is None or not stat.S_ISREG(before.st_mode):
            raise
        _write_into(path, content, mode)


def check_shareable(path: Path) -> None:
    """See whether :func:`share` could do its work, and do nothing.  Raises :class:`OSError`."""
    path = Path(os.path.realpath(path))
    try:
        check_writable(path)
    except OSError:
        if not path.is_file() or not os.access(path, os.W_OK):
            raise


def _write_into(path: Path, content: bytes, mode: int) -> None:
    with path.open("r+b") as file:
        with suppress(PermissionError):
            os.fchmod(file.fileno(), mode)
        _write(file, content)


def check_writable(path: Path) -> None:
    """See whether :func:`create` and :func:`replace` could do their work, and do nothing.  Raises :class:`OSError`."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with suppress(FileNotFoundError):
        # As long a name as the temporary file would have.
        path.with_name(f".{path.name}.12345678").lstat()
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def opened_to_others(path: Path, *, group: bool) -> str | None:
    """
    The command that takes a file away from users whom it is not for, if they have any rights to it.

    They are all but the owner and, if ``group`` is true, its group.
    """
    try:
        rights = path.stat().st_mode
    except OSError:
        return None  # not there yet, or not for us: who needs it will say so
    rights_of_others = stat.S_IRWXO if group else stat.S_IRWXG | stat.S_IRWXO
    return f"chmod {'o=' if group else 'go='} {path}" if rights & rights_of_others else None


@contextmanager
def _written(path: Path, content: bytes) -> Iterator[Path]:
    """A file beside ``path`` with the content on disk; it is removed again unless it was moved away."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # of mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _write(file, content)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _write(file: BinaryIO, content: bytes) -> None:
    """Make the content all there is in a file, on the disk too."""
    file.write(content)
    file.truncate()
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
