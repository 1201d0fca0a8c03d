"""Files that are whole or absent: atomic writes with fsync, hashes, and room on the disk and in memory.

In: paths and contents.  Out: files under their final name only once every byte of them has reached the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from chatwright.errors import ArtefactError, InputError, ResourceError

UNFINISHED = ".writing"  # suffix of names under which files and folders are written before they are renamed


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` to write a file under; renamed to `path` at the end, removed on an error."""
    if path.exists() and not path.is_file() and not path.is_dir():  # renaming would put a file in place of a device
        raise InputError(f"{path} is neither a file nor a folder; choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        yield unfinished
        sync(unfinished)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new one and nothing between."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's list of names, are on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open a folder, and orders renames itself
    # Windows flushes only handles that may write.
    handle = os.open(path, os.O_RDONLY if path.is_dir() or os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_all(folder: Path) -> None:
    """`sync` for everything inside a folder, and for the folder."""
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files inside a folder, as 64 hexadecimal digits."""
    if path.is_dir():
        return sha256_of_text("\n".join(f"{name} {sha256_of(path / name)}" for name in files_inside(path)))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def files_inside(folder: Path) -> list[str]:
    """Names of all files in a folder and its subfolders, relative, with forward slashes, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def plain(value: Any) -> Any:
    """The JSON form of settings and figures: dataclasses as objects, paths as text, NaN and infinity as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return value.as_posix()
    if hasattr(value, "item"):  # a number of numpy or torch
        return plain(value.item())
    return str(value)


def to_json(value: Any) -> str:
    """Readable JSON with a final newline; see `plain`."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that this package wrote; raises ArtefactError if it is torn or something else."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtefactError(f"{path} is missing; run the stage that writes it again") from None
    except ValueError as error:
        raise ArtefactError(f"{path} is damaged ({error}); run the stage that wrote it again") from None
    if not isinstance(read, dict):
        raise ArtefactError(f"{path} is damaged (not a JSON object); run the stage that wrote it again")
    return read


def json_or_nothing(path: Path) -> dict[str, Any]:
    """The JSON object of a file that is only shown: an absent, torn or other file has nothing to show."""
    try:
        return read_json(path)
    except (ArtefactError, OSError):
        return {}


def require(*, memory_bytes: int = 0, disk_bytes: int = 0, where: Path) -> None:
    """Raise ResourceError unless this much memory is free, and this much room on the disk that holds `where`."""
    free_memory = available_memory()
    if memory_bytes > free_memory:
        raise ResourceError(
            f"{where}: needs {readable(memory_bytes)} of memory and {readable(free_memory)} are free; "
            "choose a smaller size or batch, or close other programs"
        )
    folder = next(path for path in (where.absolute(), *where.absolute().parents) if path.exists())
    free_disk = shutil.disk_usage(folder).free
    if disk_bytes > free_disk:
        raise ResourceError(
            f"{where}: needs {readable(disk_bytes)} on the disk and {readable(free_disk)} are free; "
            "make room, or choose a place on another disk"
        )


def available_memory() -> int:
    """Bytes of memory that this process may still take: of the machine, or of the container if that is less."""
    import psutil

    free = int(psutil.virtual_memory().available)
    with contextlib.suppress(OSError, ValueError):  # no control group, or one without a limit ("max")
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        cached = next(
            (
                int(line.split()[1])
                for line in (group / "memory.stat").read_text().splitlines()
                if line.startswith("file ")
            ),
            0,
        )
        free = min(free, limit - used + cached)
    return max(free, 0)


def readable(count: float) -> str:
    """A number of bytes as people write it: 1.5 GB."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
