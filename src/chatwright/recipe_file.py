"""Recipe files: TOML with one table per stage in order, read into checked settings.

In: a recipe, overrides (`table.key=value`), the folder its results go to.  Out: a `Recipe` whose steps hold complete
config objects, with parents found and files known to exist; or one ConfigError that lists every mistake, one a line.

The words "village" and "store" stand for files: what the town wrote, and what people judged and wrote in the store.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from chatwright.errors import ConfigError, InputError
from chatwright.meter import Rates
from chatwright.registry import STAGES, Parent, StageEntry, build_config, nearest, reach_of
from chatwright.text.files import files_of

COMMON = ("seed", "threads", "device", "precision")  # keys at the top that every stage with such a setting takes over
VARIABLES = ("data", "base")  # texts at the top that stand for {data} and {base} in every path
PLACES = ("store", "with_simulated")  # the database of what people judged; whether simulated rows of it count
TOP = (*COMMON, "name", *VARIABLES, *PLACES)
NOT_STAGES = ("village", "rates")
VILLAGE_FILES = {
    "texts": "texts.jsonl",
    "conversations": "demonstrations.jsonl",
    "demonstrations": "demonstrations.jsonl",
    "validation_prompts": "prompts-validation.jsonl",
    "labeler": "",
    "judge": "",
}
VILLAGE_PROMPTS = {"collect": "prompts-ranking.jsonl", "ppo": "prompts-ppo.jsonl", "evaluate": "prompts-test.jsonl"}
STORE_FILES = {
    "rankings": "rankings.jsonl",
    "conversations": "demonstrations.jsonl",
    "demonstrations": "demonstrations.jsonl",
    "prompts": "prompts.jsonl",
    "validation_prompts": "prompts.jsonl",
}
STORE_QUESTIONS = "questions.jsonl"  # prompts of `collect`, where nothing is trained on them
FILES = (
    "texts",
    "conversations",
    "demonstrations",
    "prompts",
    "validation_prompts",
    "rankings",
)  # settings that name files


@dataclass(frozen=True)
class Step:
    """One table of a recipe: its name, the kind of stage, and the settings, complete."""

    table: str
    stage: str
    config: Any
    parents: Mapping[str, tuple[str, ...]]
    reads: tuple[str, ...] = ()
    """Files of the store that it reads."""
    queue: int = 0
    """Of `collect`: how many people shall rank each prompt's answers; 0: nobody is asked."""

    @property
    def entry(self) -> StageEntry:
        return STAGES[self.stage]


@dataclass(frozen=True)
class Recipe:
    """A recipe that has been read and checked."""

    name: str
    steps: tuple[Step, ...]
    village: Any
    rates: Rates
    store: str = ""
    """Path or URL of the store; it may hold a password."""
    with_simulated: bool = True


def read_recipe(path: Path, *, out: Path, settings: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe whose results go to `out`; raises ConfigError that lists every mistake, one a line."""
    text = _text_of(path)
    tables = _parsed(text, path)
    for setting in settings:
        _override(tables, setting)
    reader = _Reader(path, text, out, tables)
    return reader.read()


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give the path of a recipe, such as recipes/quickstart.toml") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; give the recipe's file, such as recipes/quickstart.toml") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not a TOML file: {error}") from None


def _override(tables: dict[str, Any], setting: str) -> None:
    name, equals, given = setting.partition("=")
    *outer, key = (part.strip() for part in name.split("."))
    if not equals or not all((*outer, key)):
        raise ConfigError(f"--set {setting}: write it as table.key=value")
    try:
        value = tomllib.loads(f"value = {given}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        value = given  # a bare word, such as a path
    table = tables
    for part in outer:
        if not isinstance(table.get(part), dict):
            known = [name for name, value in table.items() if isinstance(value, dict)]
            raise ConfigError(f"--set {setting}: there is no table {part!r}; {nearest(part, known)}")
        table = table[part]
    is_text = key in (*VARIABLES, "store") and not outer and not isinstance(table.get(key), dict)
    table[key] = str(value) if is_text else value


class _Reader:
    """Reads one recipe; collects problems so that all are told at once."""

    def __init__(self, path: Path, text: str, out: Path, tables: dict[str, Any]) -> None:
        self.path, self.text, self.out = path, text, out
        self.top = {key: value for key, value in tables.items() if not isinstance(value, dict)}
        self.tables = {key: value for key, value in tables.items() if isinstance(value, dict)}
        self.kinds: dict[str, str] = {}  # of the tables read so far, in order
        self.earlier: dict[str, str] = {}  # the same without the table that is being read
        self.reads: list[str] = []  # files of the store that the table reads
        self.reaches: dict[Path, int] = {}  # tokens that the models of earlier tables read, where known, by folder
        self.is_incomplete = False  # a table's stage is unknown: what others lack may be only that
        self.problems: list[str] = []

    def read(self) -> Recipe:
        for key in self.top.keys() - set(TOP):
            self.problems.append(f"{self._where('', key)}: unknown key {key!r}; {nearest(key, TOP)}")
        name = self.top.get("name", self.path.stem)
        for key, value in (("name", name), *((key, self.top.get(key, key)) for key in VARIABLES)):
            if not isinstance(value, str):
                self.problems.append(f"{self._where('', key)}: {key} is {value!r}; it must be text in quotes")
        if not isinstance(self.top.get("with_simulated", True), bool):
            self.problems.append(f"{self._where('', 'with_simulated')}: with_simulated must be true or false")
        village = self._guarded(self._village)
        rates = self._guarded(lambda: self._built(Rates, "rates", self.tables.get("rates", {})))
        names = [table for table in self.tables if table not in NOT_STAGES]
        if not names:
            self.problems.append(f"{self.path} has no tables; write one for each stage, such as [tokenize]")
        steps = [self._guarded(lambda table=table: self._step(table)) for table in names]  # type: ignore[misc]
        if self.problems:
            raise ConfigError("\n".join(self.problems))
        return Recipe(
            str(name),
            tuple(step for step in steps if step is not None),
            village,
            rates or Rates(),
            store=self._place(),
            with_simulated=bool(self.top.get("with_simulated", True)),
        )

    def _guarded(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (ConfigError, InputError) as error:
            self.problems += [line for line in str(error).splitlines() if line not in self.problems]
            return None

    def _where(self, table: str, key: str) -> str:
        """The file, with the line of a setting where it can be found."""
        inside = not table
        key = key.partition(".")[0]
        table_line = 0
        for number, line in enumerate(self.text.splitlines(), 1):
            if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
                inside = header[1].strip("\"'") == table
                table_line = number if inside else table_line
            elif inside and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[.=]", line):
                return f"{self.path}:{number}" + (f" [{table}]" if table else "")
        place = f"{self.path}:{table_line}" if table_line else f"{self.path}"
        return f"{place} [{table}]" if table else place

    def _built(self, kind: type[Any], table: str, values: Mapping[str, Any], common: Collection[str] = ()) -> Any:
        """Settings of a table; those in `common` stand at the top, where a mistake in one is a mistake for all."""
        return build_config(kind, values, where=lambda key: self._where("" if key in common else table, key))

    def _village(self) -> Any:
        if "village" not in self.tables:
            return None
        from chatwright.village import VillageConfig

        return self._built(VillageConfig, "village", self.tables["village"])

    def _step(self, table: str) -> Step:
        values = dict(self.tables[table])
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", table):
            raise ConfigError(f"{self._where(table, '')}: a table's name is a folder's: letters, digits, - and _ only")
        stage = values.pop("stage", table)
        if stage not in STAGES:
            self.is_incomplete = True
            remedy = 'name its stage: stage = "..."; ' if stage == table else ""
            raise ConfigError(
                f"{self._where(table, 'stage')}: no stage is called {stage!r}; {remedy}{nearest(str(stage), STAGES)}"
            )
        if table == "store":
            raise ConfigError(
                f"{self._where(table, '')}: store/ holds what is taken from the store; choose another name"
            )
        self.earlier, self.kinds, self.reads = dict(self.kinds), {**self.kinds, table: stage}, []
        if "out" in values:
            raise ConfigError(
                f"{self._where(table, 'out')}: out is given on the command line; the folder is named {table}"
            )
        kind = STAGES[stage].config_class()
        known = {field.name for field in fields(kind)}
        queue = self._queue(table, values.pop("queue")) if stage == "collect" and "queue" in values else 0
        parents = self._parents(table, stage, known, values)
        self._fill_in_files(table, stage, values)
        common = {key: self.top[key] for key in COMMON if key in known - values.keys() and key in self.top}
        config = self._built(kind, table, {**common, **values, "out": (self.out / table).as_posix()}, common)
        self._check_files(table, values)
        try:
            reach = reach_of(stage, config, self.reaches)
        except ConfigError as problem:
            raise ConfigError(
                f"{self._where(table, 'max_tokens' if stage == 'ppo' else 'context')}: {problem}"
            ) from None
        if reach is not None:
            self.reaches[config.out] = reach
        return Step(table, stage, config, parents, tuple(dict.fromkeys(self.reads)), queue)

    # -- parents: settings that take the folder of an earlier stage

    def _parents(self, table: str, stage: str, known: set[str], values: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        """Put parents' paths into `values`; returns the tables they come from."""
        needs = {key: need for key, need in STAGES[stage].parents.items() if key in known}
        named = values.pop("from", [])
        chosen = self._chosen(table, stage, needs, [named] if isinstance(named, str) else named)
        parents: dict[str, tuple[str, ...]] = {}
        for key, need in needs.items():
            given = values.get(key)
            if given is None:
                names = chosen.get(key, [])
                if not names and need.automatic:
                    names = [name for name, kind in self.earlier.items() if kind in need.kinds]
                given = names if need.every else names[-1] if names else None
            if given:
                values[key] = self._folders(table, key, given, need)
                named = given.values() if isinstance(given, dict) else given if isinstance(given, list) else [given]
                parents[key] = tuple(name for name in named if isinstance(name, str) and name in self.earlier)
        missing = [key for key in needs if key not in values and _is_required(STAGES[stage], key)]
        for key in [] if self.is_incomplete else missing:
            kinds = " or ".join(needs[key].kinds)
            raise ConfigError(
                f"{self._where(table, '')}: {key} is missing: no earlier table is a {kinds} stage; "
                f"add one, or set {key} to a path"
            )
        return parents

    def _chosen(
        self, table: str, stage: str, needs: Mapping[str, Parent], named: Sequence[Any]
    ) -> dict[str, list[Any]]:
        """Which of the names in `from` goes to which setting: by its kind, and a path to the main parent."""
        chosen: dict[str, list[Any]] = {}
        for name in named:
            where = self._where(table, "from")
            if name in self.tables and name not in self.earlier:
                raise ConfigError(f"{where}: from names {name!r}, which does not stand before [{table}]")
            if name not in self.earlier and not (isinstance(name, str) and Path(self._with_data(name)).exists()):
                raise ConfigError(
                    f"{where}: from names {name!r}, neither an earlier table nor a path; "
                    f"{nearest(str(name), self.earlier)}"
                )
            fitting = [
                key
                for key, need in needs.items()
                if (name not in self.earlier or self.earlier[name] in need.kinds) and (need.every or key not in chosen)
            ]
            if name not in self.earlier:  # a path means what lies there: token files or a model
                has_tokens = (Path(self._with_data(name)) / "tokens.json").is_file()
                fitting = [key for key in fitting if ("tokenize" in needs[key].kinds) == has_tokens] or fitting
            if not fitting:
                kind = self.earlier.get(name, "path")
                raise ConfigError(f"{where}: a {stage} stage takes nothing (more) from {name!r}, which is a {kind}")
            chosen.setdefault(fitting[0], []).append(name)
        return chosen

    def _folders(self, table: str, key: str, given: Any, need: Parent) -> Any:
        """`_folder` for one name, a list of names, or names by a title."""
        if isinstance(given, dict):
            return {title: self._folder(table, key, name, need) for title, name in given.items()}
        if isinstance(given, list):
            return [self._folder(table, key, name, need) for name in given]
        return self._folder(table, key, given, need)

    def _folder(self, table: str, key: str, name: Any, need: Parent) -> Any:
        """The path that a parent's setting means: of an earlier table, or as it is given."""
        if not isinstance(name, str):
            return name  # the type check will name it
        if name in self.earlier:
            if self.earlier[name] not in need.kinds:
                kinds = " or ".join(need.kinds)
                raise ConfigError(
                    f"{self._where(table, key)}: {key} names {name!r}, which is a {self.earlier[name]} stage; "
                    f"it takes a {kinds} stage"
                )
            return (self.out / name / need.file).as_posix() if need.file else (self.out / name).as_posix()
        if name == "store" and key in STORE_FILES:
            return self._stored(table, key, STORE_FILES[key])
        path = self._with_data(name)
        is_pattern = key in FILES and any(sign in path for sign in "*?[")  # `_check_files` looks at what it matches
        if not is_pattern and not Path(path).exists():
            raise ConfigError(
                f"{self._where(table, key)}: {key} names {path!r}, neither an earlier table nor a path that exists; "
                f"{nearest(name, self.earlier)}"
            )
        return path

    # -- files that people bring, and the village's

    def _with_data(self, text: str) -> str:
        for key in VARIABLES:
            text = text.replace(f"{{{key}}}", str(self.top.get(key, key)))
        return text

    def _fill_in_files(self, table: str, stage: str, values: dict[str, Any]) -> None:
        """Replace variables in every text, and the word village by the file that it means."""
        for key, value in values.items():
            values[key] = self._filled(table, stage, key, value)

    def _filled(self, table: str, stage: str, key: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._filled(table, stage, key, item) for item in value]
        if isinstance(value, dict):
            return {
                inner: self._filled(table, stage, key if inner == "path" else inner, item)
                for inner, item in value.items()
            }
        if not isinstance(value, str):
            return value
        if value == "store" and key in STORE_FILES:
            is_question = stage == "collect" and key == "prompts"
            return self._stored(table, key, STORE_QUESTIONS if is_question else STORE_FILES[key])
        file = VILLAGE_PROMPTS.get(stage) if key == "prompts" else VILLAGE_FILES.get(key)
        if value != "village" or file is None:
            return self._with_data(value)
        if "village" not in self.tables:
            raise ConfigError(f'{self._where(table, key)}: {key} = "village" needs a [village] table in the recipe')
        return (self.out / "village" / file).as_posix()

    # -- the store: what people judged and wrote

    def _place(self) -> str:
        return str(self.top.get("store") or os.environ.get("CHATWRIGHT_STORE") or "")

    def _stored(self, table: str, key: str, file: str) -> str:
        """The path of a file that will hold rows of the store."""
        self._check_store(table, key)
        self.reads.append(file)
        return (self.out / "store" / file).as_posix()

    def _check_store(self, table: str, key: str) -> None:
        place, where = self._place(), self._where(table, key)
        if not isinstance(self.top.get("store", ""), str):
            raise ConfigError(f"{self._where('', 'store')}: store must be a path or an address, in quotes")
        if not place:
            raise ConfigError(
                f'{where}: {key} needs a store; write store = "chatwright.db" at the top, or --set store=PLACE'
            )
        if "://" not in place and not Path(place).is_file():
            # Opening it would make an empty one, and hide the mistake.
            raise ConfigError(f"{where}: there is no store {place}; name the one that `chatwright serve` uses")

    def _queue(self, table: str, value: Any) -> int:
        if isinstance(value, bool) and not value:
            return 0
        self._check_store(table, "queue")
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"{self._where(table, 'queue')}: queue is {value!r}; write true, or how many rank each")
        return int(value)

    def _check_files(self, table: str, values: Mapping[str, Any]) -> None:
        for key in FILES:
            for text in _texts_in(values.get(key)):
                if self.out.resolve() in Path(text).resolve().parents:
                    continue  # files of the run itself are written by what comes before
                try:
                    files_of(text)
                except InputError as error:
                    self.problems.append(f"{self._where(table, key)}: {key}: {error}")


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)
    elif isinstance(value, dict):
        yield from _texts_in(value.get("path"))


def _is_required(entry: StageEntry, key: str) -> bool:
    field = next(field for field in fields(entry.config_class()) if field.name == key)
    return field.default is MISSING and field.default_factory is MISSING
