"""Where chat templates of strangers run: jinja's immutable sandbox, with a budget for work and for size.

In: the source of a template and plain data.  Out: text, or an error of one sentence; nothing else can happen.

A template is a program that came with a model. jinja's sandbox keeps it from attributes and methods that lead out of
it, but not from looping for ever or from asking for a terabyte. So here, besides:

    names       filters, methods and functions are those of the lists below, and no others
    work        loops, macros, calls, filters and operators pay from a budget; when it is spent, rendering ends
    size        whatever could make one big thing at once (`*`, `~`, replace, join, ...) is checked before it is done

The budget counts steps and characters, never seconds: the same template and messages end the same way everywhere.
"""

from __future__ import annotations

import contextvars
import datetime
import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from chatwright.errors import ArtefactError, InputError
from chatwright.text.controls import GENERATED_MARKS

__all__ = ["Sandboxed"]

SOURCE_LIMIT = 262_144  # characters of a template; the largest published ones have some 20,000
_WORK, _WORK_PER_CHARACTER = 4_000_000, 200  # units that a rendering may spend: at least, and per character given
_STEP = 50  # units for a turn of a loop, a call, a filter; a character handled costs one unit
_SIZE, _SIZE_PER_CHARACTER = 1_000_000, 8  # characters of the largest text: at least, and per character given
_ENTRY = 8  # characters that a number or an entry of a list counts for
_BITS = 4096  # of the largest integer

_FILTERS = frozenset(
    {
        *("abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "indent", "int"),
        *("items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace"),
        *("reverse", "round", "safe", "select", "selectattr", "sort", "string", "title", "trim", "unique", "upper"),
    }
)
_OF_TEXT = frozenset(
    {
        *("capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdigit", "islower", "isnumeric"),
        *("isspace", "istitle", "isupper", "join", "lower", "lstrip", "partition", "removeprefix", "removesuffix"),
        *("replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip"),
        *("swapcase", "title", "upper"),
    }
)
_OF_LIST = frozenset({"count", "index"})
_METHODS: dict[type, frozenset[str]] = {
    str: _OF_TEXT, dict: frozenset({"get", "items", "keys", "values"}), list: _OF_LIST, tuple: _OF_LIST,
}  # fmt: skip
_WIDE = re.compile(r"\d{4}|\*|\{[^{}]*\{")  # a width of four digits, or one computed, in a format


class _Refused(jinja2.TemplateError):
    """The template called raise_exception."""


@dataclass
class _Budget:
    work: int
    size: int
    date: datetime.date | None
    marks: bool  # whether generation blocks are marked

    def pay(self, units: int) -> None:
        self.work -= units
        if self.work < 0:
            raise SecurityError("it works without end")

    def allow(self, size: int) -> None:
        """Raise unless something of `size` characters or entries may exist."""
        if size > self.size:
            raise SecurityError("it makes something far too large")

    def weigh(self, *values: object) -> None:
        """Pay for data by its characters and entries, counted as if it were written out."""
        total, waiting = 0, list(values)
        while waiting:
            value = waiting.pop()
            total += len(value) if isinstance(value, str) else _ENTRY
            if isinstance(value, Mapping):
                waiting += [*value.keys(), *value.values()]
            elif isinstance(value, list | tuple | set | frozenset):
                waiting += value
            elif isinstance(value, range):
                total += len(value)
            elif isinstance(value, int) and value.bit_length() > _BITS:
                raise SecurityError("it makes a number far too large")
            self.allow(total)
        self.pay(_STEP + total)


_budget: contextvars.ContextVar[_Budget | None] = contextvars.ContextVar("_budget", default=None)


def _current() -> _Budget:
    # Outside of a rendering, jinja evaluates what is constant while it compiles.
    return _budget.get() or _Budget(_WORK, _SIZE, None, False)


class Sandboxed:
    """A compiled chat template. Raises ArtefactError, naming `where`, for one that is no template."""

    def __init__(self, source: str, where: str = "the chat template"):
        self.where = where
        if len(source) > SOURCE_LIMIT:
            raise ArtefactError(f"{where} has {len(source)} characters; templates may have {SOURCE_LIMIT}")
        try:
            self._template = _environment().from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise ArtefactError(f"{where}, line {error.lineno}: {_line(error)}; it cannot be used") from None
        except Exception as error:  # a compiler fed by strangers; whatever it says, there is no template
            raise ArtefactError(f"{where} cannot be read ({type(error).__name__}: {_line(error)})") from None

    def render(self, data: Mapping[str, Any], *, characters: int, date: datetime.date | None, marks: bool) -> str:
        """The text of a template for plain data that holds so many `characters` of contents.

        `date` is what strftime_now tells; `marks` puts GENERATED_MARKS round {% generation %} blocks. Raises
        InputError with the template's own words if it refuses the data, ArtefactError if it must not go on.
        """
        budget = _Budget(
            _WORK + _WORK_PER_CHARACTER * characters, _SIZE + _SIZE_PER_CHARACTER * characters, date, marks
        )
        token = _budget.set(budget)
        pieces, written = [], 0
        try:
            for piece in self._template.generate(dict(data)):
                written += len(piece)
                budget.allow(written)
                budget.pay(_STEP)
                pieces.append(piece)
        except _Refused as refusal:
            raise InputError(f"{self.where} refuses this conversation: {_line(refusal)}") from None
        except SecurityError as error:
            raise ArtefactError(f"{self.where} was stopped: {_line(error)}; use another template") from None
        except RecursionError:
            raise ArtefactError(f"{self.where} was stopped: it calls itself for ever; use another template") from None
        except Exception as error:  # a program of strangers may fail in any way
            raise ArtefactError(f"{self.where} fails ({type(error).__name__}: {_line(error)})") from None
        finally:
            _budget.reset(token)
        return "".join(pieces)


def _line(error: BaseException) -> str:
    said = " ".join(str(error).split())
    return said if len(said) <= 200 else said[:197] + "..."


# -- what templates may call -------------------------------------------------------------------------------------------


def _raise_exception(message: object = "") -> None:
    raise _Refused(str(message))


def _strftime_now(form: str) -> str:
    if len(form) > 100:
        raise SecurityError("it asks for an endless date")
    return (_current().date or datetime.date(2024, 7, 26)).strftime(form)


def _dict(*pairs: Any, **entries: Any) -> dict[Any, Any]:
    return dict(*pairs, **entries)


class _Namespace(Namespace):
    def __init__(*args: Any, **entries: Any) -> None:
        self, *rest = args
        found = dict(*rest, **entries)
        for name in found:
            _Namespace._check(name)
        Namespace.__init__(self, found)

    def __setitem__(self, name: str, value: Any) -> None:
        _Namespace._check(name)
        Namespace.__setitem__(self, name, value)

    def __repr__(self) -> str:
        return "<namespace>"  # its contents, written out, could be endless

    @staticmethod
    def _check(name: object) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise SecurityError(f"it sets {name}, a hidden name")


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON without the escapes that jinja's own filter writes for HTML, as transformers has it."""
    if indent is not None and not (isinstance(indent, int) and indent <= 16):
        raise SecurityError("it asks for endless indents")
    if separators is not None and (len(separators) != 2 or max(map(len, separators)) > 8):
        raise SecurityError("it asks for endless separators")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _check_replace(text: str, old: object = "", new: object = "", *_: object) -> None:
    found = text.count(str(old))
    _current().allow(len(text) + found * len(str(new)))


def _joinable(items: Iterable[Any], separator: object = "") -> list[Any]:
    """The items as a list, once it is sure that together they are not too large."""
    budget, taken, size = _current(), [], 0
    for item in items:
        budget.weigh(item)
        size += len(str(separator)) + (len(item) if isinstance(item, str) else 1)
        budget.allow(size)
        taken.append(item)
    return taken


def _guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that pays for what it is given and for what it makes."""

    @functools.wraps(function)  # keeps the attributes by which jinja knows that a filter wants the environment
    def guarded(*args: Any, **kwargs: Any) -> Any:
        budget = _current()
        first = 1 if hasattr(function, "jinja_pass_arg") else 0
        given = list(args)
        budget.weigh(*given[first:], *kwargs.values())
        if name == "replace":
            _check_replace(*map(str, given[first:]), *map(str, kwargs.values()))
        elif name == "join":
            given[first] = _joinable(given[first], *given[first + 1 : first + 2], *kwargs.values())
        elif name == "indent":
            width = [*given[first + 1 : first + 2], *kwargs.values(), 4][0]
            budget.allow(len(str(given[first])) * (width if isinstance(width, int) else len(str(width))))
        made = function(*given, **kwargs)
        budget.weigh(made)
        return made

    return guarded


class _Generation(Extension):
    """{% generation %} ... {% endgeneration %}: what the model is to say, as transformers and TRL write it."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller: Macro) -> str:
        said = str(caller())
        return GENERATED_MARKS[0] + said + GENERATED_MARKS[1] if _current().marks else said


# -- the environment ---------------------------------------------------------------------------------------------------


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        tree = _Watched().visit(tree)
        tree.set_environment(self)
        return tree

    def finalize_output(self, value: Any) -> Any:
        """Every `{{ ... }}` passes here before it is written."""
        if _budget.get() is not None:
            _current().weigh(value)
        return value

    def turn(self, characters: int) -> None:
        """A turn of a loop or a macro, whose body writes so many characters of its own."""
        _current().pay(_STEP + characters)

    def tested(self, value: Any) -> Any:
        _current().pay(_STEP)
        return value

    def joined(self, *values: Any) -> str:
        """`a ~ b`"""
        _current().weigh(*values)
        return "".join(map(str, values))

    def built(self, value: Any) -> Any:
        """`[...]`, `{...}` and `(...)`, which could else hold themselves many times over."""
        _current().weigh(value)
        return value

    def unsafe_undefined(self, obj: Any, attribute: str) -> jinja2.Undefined:
        raise SecurityError(f"it reaches for {attribute!r} of {type(obj).__name__}, which leads out of the sandbox")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        budget = _current()
        if operator == "%" and isinstance(left, str):
            if _WIDE.search(left):
                raise SecurityError("it asks for a format that is too wide")
        elif operator == "*":
            self._check_product(left, right)
        elif operator == "**" and isinstance(left, int) and isinstance(right, int) and right > 0:
            budget.allow(0 if left.bit_length() * right <= _BITS else budget.size + 1)
        budget.weigh(left, right)
        made = super().call_binop(context, operator, left, right)
        budget.weigh(made)
        return made

    def _check_product(self, left: Any, right: Any) -> None:
        for many, times in ((left, right), (right, left)):
            if isinstance(many, str | list | tuple) and isinstance(times, int):
                _current().allow(len(many) * max(0, times))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped: Any = super().wrap_str_format(value)
        if wrapped is not None:
            if _WIDE.search(value.__self__):
                raise SecurityError("it asks for a format that is too wide")
            wrapped.is_checked_format = True
        return wrapped

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, B902
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if owner is not __self and not isinstance(owner, _Generation):
            __self._check_callable(__obj, owner, name)
            _current().weigh(*args, *kwargs.values())
            if isinstance(owner, str) and name == "replace":
                _check_replace(owner, *args)
            elif isinstance(owner, str) and name == "join" and args:
                args = (_joinable(args[0], owner), *args[1:])
        made = super().call(__context, __obj, *args, **kwargs)
        if owner is not __self:
            _current().weigh(made)
        return made

    def _check_callable(self, called: Any, owner: Any, name: str) -> None:
        if isinstance(called, Macro | LoopContext | jinja2.Undefined) or getattr(called, "is_checked_format", False):
            return
        if any(called is known for known in self.globals.values()) or name in _METHODS.get(type(owner), ()):
            return
        if isinstance(owner, LoopContext) and name in ("cycle", "changed"):
            return
        raise SecurityError(f"it calls {name or type(called).__name__}, which chat templates may not")


class _Watched(NodeTransformer):
    """Makes loops, macros, literals and `~` of a template report to the environment while they run."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.body.insert(0, _turn(node))
        if node.test is not None:
            node.test = _to("tested", node.test)
        return node

    def visit_Macro(self, node: nodes.Macro | nodes.CallBlock) -> nodes.Node:
        self.generic_visit(node)
        node.body.insert(0, _turn(node))
        return node

    visit_CallBlock = visit_Macro

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _to("joined", *node.nodes)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        return _to("built", node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        self.generic_visit(node)
        return _to("built", node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return _to("built", node) if node.ctx == "load" else node


def _to(method: str, *given: nodes.Node) -> nodes.Expr:
    call = nodes.Call(nodes.EnvironmentAttribute(method), cast(list[nodes.Expr], list(given)), [], None, None)
    call.set_lineno(given[0].lineno if given else 1)
    return call


def _turn(node: nodes.Node) -> nodes.Node:
    written = sum(len(found.data) for found in node.find_all(nodes.TemplateData))
    call = nodes.Call(nodes.EnvironmentAttribute("turn"), [nodes.Const(written)], [], None, None)
    return nodes.ExprStmt(call).set_lineno(node.lineno)


@functools.cache
def _environment() -> _Environment:
    environment = _Environment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols], optimized=False
    )
    environment.finalize = environment.finalize_output
    environment.filters = {name: _guarded(name, environment.filters[name]) for name in _FILTERS}
    environment.filters["tojson"] = _guarded("tojson", _tojson)
    environment.globals = {
        "range": safe_range, "dict": _dict, "namespace": _Namespace,
        "raise_exception": _raise_exception, "strftime_now": _strftime_now,
    }  # fmt: skip
    return environment
