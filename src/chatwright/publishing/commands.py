"""The commands `import` and `export`. In: arguments.  Out: a model folder, a Hugging Face folder or a GGUF file."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from chatwright.arguments import Parser, path
from chatwright.errors import ConfigError

__all__ = ["run_export", "run_import"]


def run_import(arguments: Sequence[str]) -> None:
    """`chatwright import SOURCE OUT`."""
    parser = _parser(
        "import",
        "Read published weights into a model folder that every command takes. Nothing that comes along is executed.",
    )
    parser.add_argument("source", help="a Hugging Face folder, or a name on the hub such as openai-community/gpt2")
    parser.add_argument("out", type=path, help="the model folder to write; it must not exist yet")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16", "fp16"), help="convert the weights (default: as they lie)"
    )
    parser.add_argument("--revision", metavar="NAME", help="a branch, tag or commit on the hub (default: main)")
    given = parser.parse_args(arguments)
    from chatwright.publishing.importer import import_model

    out = import_model(given.source, given.out, precision=given.precision, revision=given.revision)
    print(f"{out}\n\nTry it:  chatwright generate {out} 'Once upon a time'\nLook at it:  chatwright inspect {out}")


def run_export(arguments: Sequence[str]) -> None:
    """`chatwright export MODEL OUT --format hf|gguf`."""
    parser = _parser("export", "Write a model so that other tools read it: transformers, vLLM, llama.cpp.")
    parser.add_argument("model", type=path, help="a model folder, a stage folder, or the folder of a recipe run")
    parser.add_argument("out", type=path, help="the folder (hf) or file (gguf) to write; it must not exist yet")
    parser.add_argument(
        "--format",
        choices=("hf", "gguf"),
        default="hf",
        help="hf, a folder for transformers and vLLM, or gguf, a file for llama.cpp (default hf)",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16", "fp16", "q8_0"),
        help="convert the matrices (default: as they lie); q8_0, 8 bits in blocks of 32, is for gguf",
    )
    given = parser.parse_args(arguments)
    if given.format == "gguf":
        from chatwright.publishing.gguf import export_gguf

        for remark in export_gguf(given.model, given.out, kind=given.precision):
            print(f"chatwright: note: {remark}", file=sys.stderr)
    else:
        if given.precision == "q8_0":
            raise ConfigError("--precision q8_0 is for --format gguf; choose fp32, bf16 or fp16")
        from chatwright.publishing.exporter import export_model

        export_model(given.model, given.out, precision=given.precision)
    print(given.out)


def _parser(name: str, description: str) -> Parser:
    return Parser(prog=f"chatwright {name}", description=description)
