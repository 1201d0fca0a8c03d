from __future__ import annotations

import os
from pathlib import Path

import pytest

from chatwright.disk import available_memory, readable, require, write_atomically
from chatwright.errors import InputError, ResourceError


def test_an_atomic_write_that_fails_leaves_the_old_content(tmp_path: Path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, "old")

    def no_space(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chatwright.disk.sync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old" and [child.name for child in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_what_is_neither_file_nor_folder_is_never_replaced_by_a_file(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is neither a file nor a folder; choose another name"):
        write_atomically(tmp_path / "pipe", "text")
    assert (tmp_path / "pipe").is_fifo() and len(list(tmp_path.iterdir())) == 1


def test_text_is_written_as_utf8_without_changed_line_ends(tmp_path: Path):
    write_atomically(tmp_path / "deep/file", "ä\r\nb\n")
    assert (tmp_path / "deep/file").read_bytes() == "ä\r\nb\n".encode()


def test_too_little_memory_or_disk_is_said_beforehand(tmp_path: Path):
    require(memory_bytes=1000, disk_bytes=1000, where=tmp_path / "not/yet/there")
    with pytest.raises(ResourceError, match=r"needs 1000000.0 TB of memory and .* are free"):
        require(memory_bytes=10**18, where=tmp_path)
    with pytest.raises(ResourceError, match=r"needs 1000000.0 TB on the disk and .* are free"):
        require(disk_bytes=10**18, where=tmp_path / "not/yet/there")
    assert available_memory() > 0 and readable(1536) == "1.5 KB" and readable(12) == "12 bytes"
