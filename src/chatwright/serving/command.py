"""`chatwright serve`: arguments in, a running server out."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from chatwright.arguments import MOST_THREADS, Parser, path
from chatwright.errors import ConfigError
from chatwright.serving.serve import EngineSettings, serve
from chatwright.serving.settings import Prices, ServeSettings, is_origin
from chatwright.store.place import add_store_argument

__all__ = ["run"]


def run(arguments: Sequence[str]) -> None:
    """Serve what the arguments say, until a signal comes."""
    given = _parser().parse_args(arguments)
    _check(given)
    settings = ServeSettings(
        host=given.host,
        port=given.port,
        behind_proxy=given.behind_proxy,
        tls_certificate=given.tls_certificate,
        tls_key=given.tls_key,
        require_key=given.require_key,
        public_url=given.public_url,
        allowed_hosts=tuple(given.allow_host),
        allowed_origins=tuple(given.allow_origin),
        requests_per_minute=given.requests_per_minute,
        prices=Prices(training=given.price_training, use=given.price_use),
    )
    engine = EngineSettings(
        slots=given.slots,
        queue=given.queue,
        cache=given.cache * 2**20,
        int8=given.int8,
        compiled=given.compile,
        device=given.device,
        precision=given.precision,
        threads=given.threads,
    )
    serve(
        given.folder,
        settings,
        engine,
        store=given.store,
        drain=given.drain,
        run_directories=given.runs or None,
    )


def _check(given: argparse.Namespace) -> None:
    """What no setting checks under the name that was typed; NaN passes no comparison."""
    for flag, value, least in (
        ("--slots", given.slots, 1),
        ("--queue", given.queue, 0),
        ("--cache", given.cache, 1),
        ("--drain", given.drain, 0),
        ("--price-use", given.price_use, 0),
        ("--price-training", given.price_training, 0),
    ):
        if not least <= value < math.inf:
            raise ConfigError(f"{flag} is {value:g}; it must be at least {least}")
    if not 1 <= given.threads <= MOST_THREADS:
        raise ConfigError(f"--threads is {given.threads}; it must lie between 1 and {MOST_THREADS}")
    for origin in given.allow_origin:
        if not is_origin(origin):
            raise ConfigError(f"--allow-origin is {origin!r}; write what browsers send, as https://example.org")
    for name in given.allow_host:
        if not name or any(sign in name for sign in "/@ "):
            raise ConfigError(f"--allow-host is {name!r}; write a name alone, as chat.example.org")
    for folder in given.runs:
        if not folder.is_dir():
            raise ConfigError(f"--runs {folder} is no folder; give a directory that runs lie in")


def _parser() -> Parser:
    parser = Parser(
        prog="chatwright serve",
        description="Answer OpenAI's clients with models from folders. A recipe run offers its base, sft and ppo.",
    )
    parser.add_argument("folder", type=path, nargs="+", help="recipe runs, stage folders, model folders")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default 127.0.0.1: this machine only)")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="the port (default 8000; 0: any free one)")
    add_store_argument(parser, "database of people, keys, chats and usage")
    parser.add_argument(
        "--runs",
        type=path,
        action="append",
        default=[],
        metavar="DIR",
        help="a directory whose runs the pages show (default: those that the served runs lie in)",
    )
    safety = parser.add_argument_group("who may ask")
    safety.add_argument(
        "--require-key",
        action="store_true",
        help="whoever asks needs a key, also on this machine; elsewhere it is always so",
    )
    safety.add_argument("--behind-proxy", action="store_true", help="a proxy before this server speaks TLS")
    safety.add_argument("--tls-certificate", type=path, metavar="FILE", help="PEM file of the certificate chain")
    safety.add_argument("--tls-key", type=path, metavar="FILE", help="PEM file of its private key")
    safety.add_argument(
        "--public-url",
        default="",
        metavar="URL",
        help="the address that people type, as https://chat.example.org: it stands in links, and is let in",
    )
    safety.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name by which it may be asked"
    )
    safety.add_argument(
        "--allow-origin", action="append", default=[], metavar="URL", help="another site whose pages may ask it"
    )
    safety.add_argument(
        "--requests-per-minute",
        type=int,
        default=0,
        metavar="N",
        help="POST requests of each key without a limit of its own, of each person who is signed in, and of all who "
        "are neither together (default 0: no limit)",
    )
    engine = parser.add_argument_group("engine, for each model")
    engine.add_argument("--slots", type=int, default=32, metavar="N", help="answers at once (default 32)")
    engine.add_argument(
        "--queue", type=int, default=256, metavar="N", help="answers that may wait; more get 429 (default 256)"
    )
    engine.add_argument(
        "--cache", type=int, default=1024, metavar="MIB", help="memory for keys and values, together (default 1024)"
    )
    engine.add_argument("--int8", action="store_true", help="round weights to 8 bits: faster, slightly less exact")
    engine.add_argument(
        "--compile", action="store_true", help="compile the one-token step (CPU, slow at first), or capture it (CUDA)"
    )
    engine.add_argument(
        "--device",
        default="auto",
        help="auto (a CUDA GPU where there is one, else the processor), cpu, cuda or cuda:N (default auto)",
    )
    engine.add_argument(
        "--precision",
        default="auto",
        help="of the arithmetic: auto (bf16 where the device has it natively, else fp32), fp32 or bf16 (default auto)",
    )
    engine.add_argument(
        "--threads", type=int, default=2, metavar="N", help="processor threads to work with (default 2)"
    )
    rest = parser.add_argument_group("the rest")
    rest.add_argument(
        "--drain",
        type=float,
        default=30.0,
        metavar="S",
        help="seconds that answers may take to end at a stop (default 30)",
    )
    rest.add_argument(
        "--price-use",
        type=float,
        default=0.0,
        metavar="X",
        help="money per 1,000 tokens that requests read or write (default 0)",
    )
    rest.add_argument(
        "--price-training",
        type=float,
        default=0.0,
        metavar="X",
        help="money per 1,000 tokens of the training that is started in the pages (default 0)",
    )
    return parser
