"""Files of tensors in folders that people bring, and a writer that holds one tensor at a time.

In: a folder with safetensors, whole or in shards, or PyTorch's .bin.  Out: names, shapes, dtypes, and tensors that are
mapped, not read, until they are used. Names in an index file are names: a path in one is refused, and so is a link that
leads out of the folder. `.bin` files are unpickled with `weights_only`, which runs none of their code.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from chatwright.errors import ArtefactError

__all__ = ["DTYPES", "TensorFiles", "confined", "read_object", "write_tensors"]

DTYPES = {"F64": torch.float64, "F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
"""The floating-point kinds, by their names in safetensors."""
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_LARGEST_JSON = 64 * 2**20


def confined(folder: Path, name: str) -> Path:
    """The path of a file in a folder; ArtefactError unless `name` is a mere name and the file lies there.

    A link may lead to another file in the folder or, in the hub's cache, to the `blobs` beside `snapshots`.
    """
    if not name or name in (".", "..") or Path(name).name != name or "\\" in name or "\0" in name or len(name) > 200:
        raise ArtefactError(f"{folder}: {name[:100]!r} is no plain file name; files outside the folder are not read")
    path = folder / name
    if not path.is_file():
        raise ArtefactError(f"{path} is missing; download the model again")
    allowed = [folder.resolve()]
    if folder.resolve().parent.name == "snapshots":
        allowed.append(folder.resolve().parent.parent / "blobs")
    if not any(path.resolve().is_relative_to(root) for root in allowed):
        raise ArtefactError(f"{path} is a link that leads out of the folder; put the file itself there")
    return path


def read_object(folder: Path, name: str) -> dict[str, Any]:
    """The JSON object in a file of the folder."""
    path = confined(folder, name)
    if path.stat().st_size > _LARGEST_JSON:
        raise ArtefactError(f"{path} has {path.stat().st_size:,} bytes; such a file is no {name}")
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as problem:
        raise ArtefactError(f"{path} cannot be read ({str(problem)[:100]}); download it again") from None
    if not isinstance(read, dict):
        raise ArtefactError(f"{path} is no JSON object; download it again")
    return read


@dataclass(frozen=True)
class Entry:
    """Where a tensor is and what it is, without reading it."""

    file: str
    kind: str
    """Dtype as safetensors names it: F32, BF16, I64, ..."""
    shape: tuple[int, ...]


class TensorFiles:
    """All tensors of a folder by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: dict[str, Entry] = {}
        self._opened: dict[str, Any] = {}
        for file, names in self._files().items():
            known = self._open(file)
            for name in sorted(known) if names is None else names:
                if name not in known:
                    raise ArtefactError(f"{folder / file} lacks tensor {name[:200]}, which the index promises")
                self.entries[name] = Entry(file, *known[name])

    def tensor(self, name: str) -> Tensor:
        """One tensor, mapped from its file."""
        opened = self._opened[self.entries[name].file]
        tensor: Tensor = opened[name] if isinstance(opened, dict) else opened.get_tensor(name)
        return tensor

    @property
    def file_names(self) -> list[str]:
        return sorted(self._opened)

    def _files(self) -> Mapping[str, list[str] | None]:
        """File names, each with the tensors to take from it; None: all."""
        for stem, suffix in (("model", "safetensors"), ("pytorch_model", "bin")):
            if (self.folder / f"{stem}.{suffix}").exists():
                return {f"{stem}.{suffix}": None}
            index = f"{stem}.{suffix}.index.json"
            if (self.folder / index).exists():
                return self._shards(index, suffix)
        raise ArtefactError(
            f"{self.folder} holds no weights; expected model.safetensors, its index, or pytorch_model.bin"
        )

    def _shards(self, index: str, suffix: str) -> dict[str, list[str] | None]:
        places = read_object(self.folder, index).get("weight_map")
        if not isinstance(places, dict) or not all(isinstance(file, str) for file in places.values()):
            raise ArtefactError(f"{self.folder / index} has no weight_map from tensors to files; download it again")
        shards: dict[str, list[str]] = {}
        for name, file in places.items():
            shards.setdefault(file, []).append(name)
        for file in sorted(shards):
            if not file.endswith(f".{suffix}"):
                raise ArtefactError(f"{self.folder / index} names the file {file[:100]!r}; shards are .{suffix} files")
            confined(self.folder, file)
        return {file: names for file, names in sorted(shards.items())}

    def _open(self, file: str) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Open a file; returns the kind and shape of each of its tensors."""
        path = confined(self.folder, file)
        if file.endswith(".bin"):
            tensors = _unpickled(path)
            self._opened[file] = tensors
            return {
                name: (_NAMES.get(tensor.dtype, str(tensor.dtype).removeprefix("torch.")), tuple(tensor.shape))
                for name, tensor in tensors.items()
            }
        try:
            opened: Any = safe_open(path, framework="pt")
            self._opened[file] = opened
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118  it is no dict
            return {name: (own.get_dtype(), tuple(own.get_shape())) for name, own in slices.items()}
        except (OSError, SafetensorError, ValueError) as problem:
            raise ArtefactError(f"{path} cannot be read ({str(problem)[:200]}); download it again") from None


def _unpickled(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols: what can be read is checked below
            try:
                read = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError:  # written before PyTorch 1.6: no zip file, cannot be mapped
                read = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as problem:  # a damaged pickle makes the reader fail in any way
        reason = str(problem).split("\n", 1)[0][:150]
        raise ArtefactError(
            f"{path} is damaged or holds more than tensors, which is not run ({reason}); use a safetensors file"
        ) from None
    if not isinstance(read, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in read.items()
    ):
        raise ArtefactError(f"{path} holds no table of tensors; use a safetensors file")
    for name, tensor in read.items():
        if tensor.layout != torch.strided or tensor.is_meta:
            raise ArtefactError(f"{path}: {name[:200]} is sparse, or has no values; use a safetensors file")
    return read


def write_tensors(
    path: Path, described: Mapping[str, tuple[torch.dtype, tuple[int, ...]]], tensors: Iterable[tuple[str, Tensor]]
) -> None:
    """Write a safetensors file, one tensor at a time; `tensors` come in the order in which they are described."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (dtype, shape) in described.items():
        size = torch.Size(shape).numel() * dtype.itemsize
        header[name] = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for (name, (dtype, shape)), (own, tensor) in zip(described.items(), _all_of(tensors), strict=True):
            if name != own or tensor.dtype != dtype or tuple(tensor.shape) != shape:
                raise ValueError(f"{own} {tensor.dtype} {tuple(tensor.shape)} stands where {name} was described")
            file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)


def _all_of(tensors: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    yield from tensors
