"""Models on the hub, for `chatwright import owner/name OUT`; wants the extra `hub`.

In: a name and a revision.  Out: a folder in the hub's cache that holds configuration, tokenizer, terms and weights in
one format, and no code. Files come one by one, the weights last: where the weights are, everything is. A file that has
come whole is not fetched again. What goes wrong is one sentence; what the library says beside it is not printed.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from chatwright.disk import require
from chatwright.errors import ChatwrightError, InputError, ResourceError

__all__ = ["TERMS", "fetch"]

TERMS = re.compile(r"(LICEN[CS]E|NOTICE|COPYING|USE_POLICY)[\w.-]*", re.IGNORECASE)
"""Files with the terms under which weights may be used; they go along."""
PATIENCE_S = 10.0
"""How long the hub may take for its first answer; one that cannot be reached is not asked again and again."""
WEIGHTS = re.compile(r".*\.(safetensors|bin)")
_CONFIG = "config.json"
_ELSEWHERE = "give a folder that holds the model"
_AGAIN = "run the same command again: files that have come are kept"
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def fetch(name: str, revision: str | None = None, *, check: Callable[[Path], object]) -> Path:
    """The folder of a model of the hub; without a connection, of what was fetched before.

    `check` looks at a folder with at least config.json, before the long part, and raises what is wrong with it.
    Raises InputError for a model that is not there or may not be read, ResourceError if the disk is too small.
    """
    with _library(name) as hub:
        with _telling(hub, name, revision):
            sizes = _listed(hub, name, revision)
        wanted = _wanted(list(sizes))
        if sizes and (_CONFIG not in wanted or not any(WEIGHTS.fullmatch(file) for file in wanted)):
            lacks = "weights (.safetensors, .bin)" if _CONFIG in wanted else _CONFIG
            raise InputError(
                f"{name} has no {lacks} on the hub, so it is no model that can be imported; choose another"
            )
        with _telling(hub, name, revision, is_under_way=True):
            folder = Path(hub.hf_hub_download(name, _CONFIG, revision=revision, local_files_only=not sizes)).parent
        check(folder)
        commit = folder.name  # all files of one commit, also when the branch moves on meanwhile
        missing = [file for file in wanted if _is_missing(hub, name, file, commit)]
        _check_room(folder, sum(sizes[file] for file in missing))
        with _telling(hub, name, revision, is_under_way=True):
            for file in missing:
                hub.hf_hub_download(name, file, revision=commit)
    return folder


# -- files -------------------------------------------------------------------------------------------------------------


def _listed(hub: Any, name: str, revision: str | None) -> dict[str, int]:
    """Sizes in bytes of a model's files; nothing where the hub cannot be reached, but all of them are here."""
    try:
        found = hub.HfApi().model_info(name, revision=revision, timeout=PATIENCE_S, files_metadata=True)
    except _failures(hub) as problem:
        status = _status(problem)
        if status is None or status == 429 or status >= 500:  # else the hub has said no
            with contextlib.suppress(OSError):
                here = Path(hub.hf_hub_download(name, _CONFIG, revision=revision, local_files_only=True)).parent
                if any(WEIGHTS.fullmatch(path.name) for path in here.iterdir()):
                    return {}
        raise
    except ValueError as problem:
        if isinstance(problem, hub.errors.HFValidationError):
            raise InputError(
                f"{name} is neither a folder nor a name on the hub such as openai-community/gpt2"
            ) from None
        raise InputError(f"{hub.constants.ENDPOINT} does not answer as the hub does; check HF_ENDPOINT") from None
    sizes = {file.rfilename: file.size or 0 for file in found.siblings or ()}
    if not sizes:
        raise InputError(f"{name} has no files on the hub, so it cannot be imported; choose another")
    return sizes


def _is_missing(hub: Any, name: str, file: str, commit: str) -> bool:
    return not isinstance(hub.try_to_load_from_cache(name, file, revision=commit), str)


def _check_room(folder: Path, size: int) -> None:
    try:
        require(disk_bytes=size, where=folder)
    except ResourceError as full:
        raise ResourceError(f"{str(full).partition(';')[0]}; make room, or set HF_HOME to a larger disk") from None


def _wanted(found: Sequence[str]) -> list[str]:
    """Which files of a repository are read, the weights last: they in one format, configuration, tokenizer, terms."""
    here = sorted(name for name in found if "/" not in name)
    safe = any(name.endswith(".safetensors") for name in here)
    weights = r"model[\w.-]*\.safetensors" if safe else r"pytorch_model[\w.-]*\.bin"
    wanted = re.compile(
        rf"{weights}|[\w.-]+\.(json|jinja)|merges\.txt|vocab\.bpe|README\.md|{TERMS.pattern}", re.IGNORECASE
    )
    unused = re.compile(r"pytorch_model\.bin\.index\.json" if safe else r"model\.safetensors\.index\.json")
    read = [name for name in here if wanted.fullmatch(name) and not unused.fullmatch(name)]
    return sorted(read, key=lambda name: bool(WEIGHTS.fullmatch(name)))


# -- what goes wrong ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _telling(hub: Any, name: str, revision: str | None, *, is_under_way: bool = False) -> Iterator[None]:
    """Make one sentence of an error of the library."""
    try:
        yield
    except ChatwrightError:
        raise
    except _failures(hub) as problem:
        raise _told(problem, name, revision, hub.constants, is_under_way=is_under_way) from None


def _failures(hub: Any) -> tuple[type[Exception], ...]:
    """What every version raises: HTTPError is httpx's or that of requests."""
    names = ("HTTPError", "XetDownloadError")
    return (OSError, *(getattr(hub.errors, name) for name in names if hasattr(hub.errors, name)))


def _status(problem: BaseException) -> int | None:
    return getattr(getattr(problem, "response", None), "status_code", None)


def _told(
    problem: BaseException, name: str, revision: str | None, constants: Any, *, is_under_way: bool
) -> ChatwrightError:
    """The one sentence for an error of the library, of whichever version."""
    kind = {cls.__name__ for cls in type(problem).__mro__}
    place, status = constants.ENDPOINT, _status(problem)
    cause = problem.__cause__ or problem  # the library wraps a lost connection as a file that is not there
    reason = f"{type(cause).__name__}: {' '.join(str(cause).split())[:160]}"
    number = getattr(problem, "errno", None) or 0
    if number in _FULL or "No space left on device" in reason:
        return ResourceError(
            f"{constants.HF_HUB_CACHE}: the disk is full; make room, or set HF_HOME to a larger disk, and {_AGAIN}"
        )
    if isinstance(problem, PermissionError | NotADirectoryError | FileExistsError) or number == errno.EROFS:
        return ResourceError(
            f"{constants.HF_HUB_CACHE}: nothing can be kept there ({os.strerror(number)}); set HF_HOME to a folder "
            "where you may write"
        )
    if "GatedRepoError" in kind:
        return InputError(
            f"{name} is gated: accept its terms at {place}/{name}, then set HF_TOKEN to a token of that account"
        )
    if "RepositoryNotFoundError" in kind:
        return InputError(
            f"there is no model {name} at {place}, or it is private; check the spelling, and for a private one set "
            "HF_TOKEN to a token that may read it"
        )
    if "RevisionNotFoundError" in kind:
        return InputError(
            f"{name} has no revision {revision!r}; name a branch, tag or commit that {place}/{name}/tree/main lists"
        )
    if status in (401, 403):
        return InputError(
            f"{place} does not let this machine read {name} ({status}); check the spelling, or set HF_TOKEN to a token "
            "that may read it"
        )
    if status is not None:
        return InputError(f"{place} answered {status} for {name}; try again later, or {_ELSEWHERE}")
    if is_under_way:
        return InputError(f"the download of {name} broke off ({reason}); {_AGAIN}")
    if "OfflineModeIsEnabled" in kind:
        return InputError(f"{name} is no folder here, and HF_HUB_OFFLINE forbids to ask {place}; {_ELSEWHERE}")
    return InputError(
        f"{name} is no folder here, and {place} cannot be reached ({reason}); go online and run the same command "
        f"again, or {_ELSEWHERE}"
    )


# -- what the library prints -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _library(name: str) -> Iterator[Any]:
    """huggingface_hub: it warns nobody unless HF_HUB_VERBOSITY is set, and shows bars on a terminal only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import huggingface_hub
            from huggingface_hub import constants, errors, utils  # noqa: F401  # parts of it once they are imported
        except ImportError:
            raise InputError(
                f'{name} is no folder here; to download it from the hub, pip install "chatwright[hub]"'
            ) from None
        hub: Any = huggingface_hub
        log = logging.getLogger("huggingface_hub")
        level, shows_bars = log.level, not hub.utils.are_progress_bars_disabled()
        if "HF_HUB_VERBOSITY" not in os.environ:
            log.setLevel(logging.CRITICAL)
        if not sys.stderr.isatty():
            hub.utils.disable_progress_bars()
        try:
            yield hub
        finally:
            log.setLevel(level)
            if shows_bars:
                hub.utils.enable_progress_bars()
