"""Run folders: a stage's folder from its first moment to `done.json`, through crashes, Ctrl-C and changed settings.

In: a stage's name, config, parents (folders of earlier stages) and input files.  Out: one folder that holds

    config.json  origin.json            written first: every setting; where the stage comes from
    metrics.jsonl  samples.md           appended while it works
    resume/step-00000123/               the newest whole save; gone at the end
    model/ or other results             written by the stage
    receipt.json                        what it took
    done.json                           written last: the hash of each file above. Complete means it is there and true

The stage's identity (name, settings, parents' results, contents of inputs; never times or places) decides whether a
folder that is already there is complete, goes on from its newest save, or is put aside under another name.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from chatwright.disk import (
    UNFINISHED,
    files_inside,
    plain,
    read_json,
    replacing,
    require,
    sha256_of,
    sha256_of_text,
    sync,
    sync_all,
    to_json,
    write_atomically,
)
from chatwright.errors import ArtefactError, ConfigError, ResourceError
from chatwright.folders import (
    HOLDER,
    LOCK,
    RECORDS,
    check_whole,
    hash_or_none,
    model_folder,
    origin_of,
    results_hash,
    standing_of,
)
from chatwright.meter import Meter, Rates, using_rates
from chatwright.progress import Progress, duration

__all__ = [
    "Interrupted",
    "Meter",
    "Rates",
    "StageFolder",
    "check_whole",
    "hold",
    "model_folder",
    "open_stage",
    "replacing",
    "require",
    "results_hash",
    "sha256_of",
    "using_rates",
    "write_atomically",
]


class Interrupted(KeyboardInterrupt):
    """Somebody asked to stop (Ctrl-C or SIGTERM), and everything worth keeping has been saved."""


def open_stage(
    name: str,
    config: Any,
    *,
    out: Path,
    parents: Mapping[str, Path] | None = None,
    inputs: Sequence[Path] = (),
    save_every_s: float = 30.0,
) -> StageFolder:
    """Open, create or resume the folder of one stage; prints one line that says which.

    `config` is the stage's dataclass; `parents` are complete stage folders (or model folders) that it reads, and
    `inputs` files or folders that people brought: their contents, not their places, belong to the stage's identity.
    Raises ConfigError under torchrun, ArtefactError for an incomplete or damaged parent, ResourceError if another
    process holds the folder.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1:
        raise ConfigError(
            f"{name} was started in {processes} processes, but a stage folder has one writer so far; "
            f"start it without torchrun"
        )
    origin = origin_of(name, config, out, parents or {}, inputs)
    if out.exists() and not out.is_dir():
        raise ArtefactError(f"{out} is a file; choose a folder as --out")
    if (out / "done.json").is_file() and standing_of(out, origin) == ("complete", ""):
        return _complete(name, out)
    lock = hold(out)
    try:
        standing, reason = standing_of(out, origin)
        if standing == "complete":
            lock.release()
            return _complete(name, out)
        if standing == "other":
            lock = _put_aside(out, lock, reason)
        if standing != "resume":
            write_atomically(out / "config.json", to_json(config))
            write_atomically(out / "origin.json", to_json(origin))
        return StageFolder(name, out, lock=lock, resuming=standing == "resume", save_every_s=save_every_s)
    except BaseException:
        lock.release()
        raise


class StageFolder:
    """The folder of one stage while it works. A context manager: leaving it gives the lock and signals back."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        lock: Hold | None = None,
        complete: bool = False,
        resuming: bool = False,
        save_every_s: float = 30.0,
    ) -> None:
        self.name, self.folder = name, folder
        self.complete, self.resuming, self.interrupted = complete, resuming, False
        self.meter = Meter()
        self._lock = lock
        self._signals: dict[signal.Signals, Any] = {}
        self._progress = Progress(folder.name)
        self._save_every_s, self._saved_at = save_every_s, time.monotonic()
        self._save_every_steps = int(os.environ.get("CHATWRIGHT_SAVE_EVERY_STEPS") or 0)
        if complete:
            return
        self._listen()
        if resuming:
            try:
                self._rewind()
            except BaseException:
                self.close()
                raise

    # -- records ---------------------------------------------------------------------------------------------------

    def log(self, step: int, **metrics: float | int | str | None) -> None:
        """Append one line to metrics.jsonl; numbers that are not finite become null."""
        line = json.dumps({"step": step, **plain(metrics)}, ensure_ascii=False, allow_nan=False)
        self._append("metrics.jsonl", line + "\n")

    def sample(self, title: str, text: str) -> None:
        """Append a text that the model wrote to samples.md, as an indented block."""
        block = "".join(f"    {line}\n" for line in text.splitlines())
        self._append("samples.md", f"## {title}\n\n{block}\n")

    def progress(self, step: int, total: int, **shown: float | int | str | None) -> None:
        """Show how far the stage is, with `shown` figures, tokens per second and the time left."""
        self._progress.show(step, total, tokens=self.meter.tokens, **shown)

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file inside the folder, whole or not at all."""
        write_atomically(self.folder / name, content)

    def _append(self, name: str, text: str) -> None:
        with (self.folder / name).open("ab", buffering=0) as file:
            file.write(text.encode())

    # -- saves -----------------------------------------------------------------------------------------------------

    def should_save(self, step: int) -> bool:
        """Whether to checkpoint after this step: time has passed, or somebody asked to stop."""
        if self.interrupted:
            return True
        if self._save_every_steps:
            return step > 0 and step % self._save_every_steps == 0
        return time.monotonic() - self._saved_at >= self._save_every_s

    @contextlib.contextmanager
    def checkpoint(self, step: int) -> Iterator[Path]:
        """Yield an empty folder to save into; it counts only once all of it is on the disk.

        Afterwards older saves are removed, and `Interrupted` is raised if somebody asked to stop.
        """
        resume = self.folder / "resume"
        whole = resume / f"step-{step:08d}"
        unfinished = resume / f".{whole.name}{UNFINISHED}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            yield unfinished
            self._describe_save(unfinished, step)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        if whole.exists():  # saved twice at one step; folders cannot be replaced in one go, and either will do
            shutil.rmtree(unfinished)
        else:
            unfinished.rename(whole)
            sync(resume)
        for older in resume.iterdir():
            if older != whole:
                shutil.rmtree(older, ignore_errors=True)
        self._saved_at = time.monotonic()
        self.stop_if_interrupted()

    def _describe_save(self, save: Path, step: int) -> None:
        lengths = {}
        for name in ("metrics.jsonl", "samples.md"):
            path = self.folder / name
            lengths[name] = path.stat().st_size if path.exists() else 0
            if path.exists():
                sync(path)
        hashes = {name: sha256_of(save / name) for name in files_inside(save)}
        position = {"step": step, "lengths": lengths, "meter": self.meter.as_dict(), "files": hashes}
        write_atomically(save / "position.json", to_json(position))
        sync_all(save)

    def latest(self) -> tuple[int, Path] | None:
        """Step and folder of the newest whole save, or None. Records and meter were wound back to it when it opened."""
        for save in sorted((self.folder / "resume").glob("step-*"), reverse=True):
            # A damaged one is passed over: an older one, or the start, leads to the same weights.
            with contextlib.suppress(ArtefactError, KeyError):
                position = read_json(save / "position.json")
                if all(hash_or_none(save / name) == expected for name, expected in position["files"].items()):
                    return int(position["step"]), save
        return None

    def stop_if_interrupted(self) -> None:
        """Raise Interrupted if somebody asked to stop; for stages that are too short to save on the way."""
        if self.interrupted:
            raise Interrupted

    def _rewind(self) -> None:
        """Cut away what was recorded after the newest save: the steps after it are done again."""
        for leftover in self.folder.rglob(f".*{UNFINISHED}"):
            _remove(leftover)
        latest = self.latest()
        lengths: dict[str, int] = {}
        if latest is None:
            _announce(self.folder, "starts again; it had broken off before its first save")
        else:
            position = read_json(latest[1] / "position.json")
            self.meter.restore(position["meter"])
            lengths = position["lengths"]
            _announce(self.folder, f"resumed at step {latest[0]}")
        for name in ("metrics.jsonl", "samples.md"):
            path, length = self.folder / name, lengths.get(name, 0)
            if path.exists() and path.stat().st_size > length:
                os.truncate(path, length)

    # -- the end ---------------------------------------------------------------------------------------------------

    def finish(self, **receipt: object) -> Path:
        """Seal the folder: write receipt.json with the meter and `receipt`, then done.json; returns the folder."""
        if self.complete:
            return self.folder
        for leftover in self.folder.rglob(f".*{UNFINISHED}"):
            _remove(leftover)
        write_atomically(self.folder / "receipt.json", to_json({**self.meter.as_dict(), **receipt}))
        names = [
            name for name in files_inside(self.folder) if not name.startswith(("resume/", LOCK)) and name != "done.json"
        ]
        for name in names:
            sync(self.folder / name)
        for folder in {(self.folder / name).parent for name in names}:
            sync(folder)
        hashes = {name: sha256_of(self.folder / name) for name in names}
        results = "\n".join(f"{name} {hashes[name]}" for name in names if name not in RECORDS)
        # Before the saves are removed: a crash between the two must not lose the work.
        write_atomically(self.folder / "done.json", to_json({"results": sha256_of_text(results), "files": hashes}))
        shutil.rmtree(self.folder / "resume", ignore_errors=True)
        self.complete = True
        self.close()
        _announce(self.folder, f"done in {duration(self.meter.seconds)}")
        self.stop_if_interrupted()
        return self.folder

    def close(self) -> None:
        """Give back the lock and the signals; the folder can be resumed later."""
        self._progress.close()
        for number, handler in self._signals.items():
            signal.signal(number, handler)
        self._signals = {}
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread may handle signals
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # ignored on purpose, as by nohup
                self._signals[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        # os.write, because print may be what the signal has interrupted.
        os.write(2, b"\nStopping after this step. Once more stops at once.\n")


# -- locks and names -----------------------------------------------------------------------------------------------


class Hold:
    """A locked folder; beside the lock a file names the process that has it."""

    def __init__(self, folder: Path, lock: Any) -> None:
        self.folder, self._lock = folder, lock

    def release(self) -> None:
        if self._lock.is_locked:
            (self.folder / HOLDER).unlink(missing_ok=True)
            self._lock.release()


def hold(folder: Path) -> Hold:
    """Lock a folder (made if absent) for this process; raises ResourceError naming the process that has it."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ArtefactError(f"{folder} cannot be a folder, a file is in its way; choose another --out") from None
    lock = FileLock(folder / LOCK, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        holder = ""
        with contextlib.suppress(OSError):
            holder = f" (pid {(folder / HOLDER).read_text().strip()})"
        raise ResourceError(
            f"{folder} is being written by another process{holder}; wait until it ends, or choose another --out"
        ) from None
    (folder / HOLDER).write_text(str(os.getpid()))
    return Hold(folder, lock)


def _put_aside(out: Path, lock: Hold, reason: str) -> Hold:
    """Rename a folder that holds another result, tell why, and return the lock of a new one in its place."""
    origin = out / "origin.json"
    try:
        identity = str(read_json(origin)["identity"])
    except (ArtefactError, KeyError):
        identity = sha256_of(origin)
    names = (f"{out.name}@{identity[:8]}{suffix}" for suffix in ("", *(f"-{number}" for number in range(2, 10_000))))
    aside = next(path for path in (out.with_name(name) for name in names) if not path.exists())
    if os.name == "nt":
        lock.release()  # Windows renames no folder with an open file in it
    out.rename(aside)
    lock.folder = aside
    try:
        return hold(out)
    finally:
        lock.release()
        _announce(out, f"done again, because {reason}; what was there is now {aside.name}")


def _complete(name: str, out: Path) -> StageFolder:
    shutil.rmtree(out / "resume", ignore_errors=True)  # left if a crash came right after done.json
    _announce(out, "complete")
    return StageFolder(name, out, complete=True)


def _announce(folder: Path, text: str) -> None:
    print(f"{folder.name}: {text}", flush=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
