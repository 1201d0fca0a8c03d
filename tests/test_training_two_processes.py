"""Two processes learn what one learns: run as a script with torchrun's variables, this file is one of the processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from chatwright.training.batches import Batch
from chatwright.training.loop import train_steps
from chatwright.training.losses import language_loss
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.world import World, open_world
from ports import free_port
from tiny import language_model, random_tokens

ROWS = [4, 6, 5, 1]
"""Rows of the batches: even, even but uneven in tokens, odd, and fewer than processes."""


def uneven(step: int) -> Batch:
    """The first row has 24 supervised tokens, the others one each: half the rows are far from half the weight."""
    rows = ROWS[step]
    tokens = random_tokens(rows, 25, seed=step)
    weights = torch.zeros(rows, 24)
    weights[:, 7] = 1
    weights[0] = 1
    return Batch(tokens[:, :-1], tokens[:, 1:], weights, torch.zeros(rows, 24, dtype=torch.long))


def train(world: World, folder: Path) -> None:
    model = language_model()
    schedule = Schedule(steps=4, shape="constant")
    optimizer = Optimizer([model], schedule, learning_rate=1e-2, epsilon=1e-4)
    steps = list(train_steps(model, uneven, language_loss, optimizer, until=4, world=world))
    facts = [[step.loss, step.weight, step.tokens, step.gradient_norm] for step in steps]
    name = f"{world.rank}-of-{world.size}"
    save_file({name: weight.detach() for name, weight in model.named_parameters()}, folder / f"{name}.safetensors")
    (folder / f"{name}.json").write_text(json.dumps(facts))


def start(rank: int, port: int, folder: Path) -> subprocess.Popen[str]:
    variables = {
        **os.environ,
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, __file__, str(folder)]
    return subprocess.Popen(command, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the loopback interface is named lo on Linux only")
def test_two_processes_give_the_same_loss_and_weights_as_one(tmp_path):
    with free_port() as port:
        processes = [start(rank, port, tmp_path) for rank in (0, 1)]
        train(World(torch.device("cpu"), torch.float32, 1), tmp_path)
        for process in processes:
            said, _ = process.communicate(timeout=300)
            assert process.returncode == 0, said
    wanted = json.loads((tmp_path / "0-of-1.json").read_text())
    assert [weight for _, weight, _, _ in wanted] == [27, 29, 28, 24]
    one = load_file(tmp_path / "0-of-1.safetensors")
    first, second = (load_file(tmp_path / f"{rank}-of-2.safetensors") for rank in (0, 1))
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}-of-2.json").read_text())
        for own, other in zip(found, wanted, strict=True):
            assert own[0] == pytest.approx(other[0], abs=1e-6)
            assert own[1:3] == other[1:3]
            assert own[3] == pytest.approx(other[3], rel=1e-4)
    for name, weight in one.items():
        assert torch.equal(first[name], second[name])
        assert float((first[name] - weight).abs().max()) < 1e-6


@pytest.mark.parametrize("rows", [0, 1, 2, 5, 8, 13])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_every_row_of_a_batch_belongs_to_one_process(rows, size):
    parts = [World(torch.device("cpu"), torch.float32, 1, rank, size).share(rows) for rank in range(size)]
    assert [row for part in parts for row in range(rows)[part]] == list(range(rows))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) - min(lengths) <= 1


if __name__ == "__main__":
    train(open_world("cpu", "fp32", 1), Path(sys.argv[1]))
    torch.distributed.destroy_process_group()
