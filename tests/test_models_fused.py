"""Every hand-written backward pass against the plain formula of its docstring, in values and gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from chatwright.models.fused import causal_attention, gated_silu, next_token_loss, rms_norm, rotate
from chatwright.models.layers import rotary_tables

B, T, H, D = 2, 5, 3, 4


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def tables(length: int = T) -> tuple[Tensor, Tensor]:
    cosine, sine = rotary_tables(length, D, 100.0)
    return cosine[:, None].double(), sine[:, None].double()


# -- the plain formulas ------------------------------------------------------------------------------------------------


def plain_rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    a, b = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat([a * cosine - b * sine, b * cosine + a * sine], dim=-1)


def plain_attention(read: Tensor, cosine: Tensor, sine: Tensor, mask: Tensor) -> Tensor:
    heads = read.shape[2] // 3
    queries, keys = (plain_rotate(read[:, :, n * heads : (n + 1) * heads], cosine, sine) for n in (0, 1))
    scores = torch.einsum("bqhd,bkhd->bhqk", queries, keys) / read.shape[-1] ** 0.5 + mask
    return torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), read[:, :, 2 * heads :]).flatten(2)


def plain_gated_silu(risen: Tensor) -> Tensor:
    gate, up = risen.chunk(2, dim=-1)
    return gate * torch.sigmoid(gate) * up


def plain_rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + epsilon).sqrt() * weight


def plain_next_token_loss(vectors: Tensor, matrix: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    return (F.cross_entropy(vectors @ matrix.T, targets, reduction="none") * weights).sum()


def causal_mask() -> Tensor:
    return torch.zeros(T, T, dtype=torch.float64).masked_fill(~torch.ones(T, T, dtype=torch.bool).tril(), -torch.inf)


def packed_mask() -> Tensor:
    """Row 0 holds documents of 2 and 3 tokens, row 1 one of 4 and a token of padding."""
    documents = torch.tensor([[0, 0, 1, 1, 1], [0, 0, 0, 0, -1]])
    allowed = (documents[:, :, None] == documents[:, None, :]) & torch.ones(T, T, dtype=torch.bool).tril()
    return torch.zeros(B, 1, T, T, dtype=torch.float64).masked_fill(~allowed[:, None], -torch.inf)


CASES: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor], list[Tensor], list[object]]] = {
    "rotate": (rotate, plain_rotate, [drawn(B, T, H, D)], [*tables()]),
    "attention, causal": (causal_attention, plain_attention, [drawn(B, T, 3 * H, D)], [*tables(), causal_mask()]),
    "attention, packed": (causal_attention, plain_attention, [drawn(B, T, 3 * H, D)], [*tables(), packed_mask()]),
    "attention, one head": (causal_attention, plain_attention, [drawn(B, T, 3, D)], [*tables(), causal_mask()]),
    "gated silu": (gated_silu, plain_gated_silu, [drawn(B, T, 2 * D)], []),
    "rms norm": (rms_norm, plain_rms_norm, [drawn(B, T, D), drawn(D, seed=1)], [1e-2]),
    "next-token loss": (
        next_token_loss,
        plain_next_token_loss,
        [drawn(6, D), drawn(7, D, seed=1)],
        [torch.tensor([0, 6, 3, 3, 1, 5]), torch.tensor([1.0, 1, 0.5, 2, 0, 1], dtype=torch.float64)],
    ),
}


def with_gradients(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], rest: Sequence[object]
) -> tuple[Tensor, ...]:
    """The value, and the gradients that an uneven gradient from above sends to every input."""
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    value = function(*leaves, *rest)
    above = drawn(*value.shape, seed=9).to(value.dtype) if value.ndim else torch.tensor(1.5, dtype=value.dtype)
    return value.detach(), *torch.autograd.grad(value, leaves, above)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_the_plain_formula(name):
    fused, plain, inputs, rest = CASES[name]
    for found, wanted in zip(with_gradients(fused, inputs, rest), with_gradients(plain, inputs, rest), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_finite_differences(name):
    fused, _, inputs, rest = CASES[name]
    leaves = tuple(tensor.clone().requires_grad_() for tensor in inputs)
    assert torch.autograd.gradcheck(lambda *given: fused(*given, *rest), leaves)


@pytest.mark.parametrize("name", CASES)
def test_bfloat16_stays_close_to_float32(name):
    fused, plain, inputs, rest = CASES[name]
    flows = [True] * len(inputs) if name != "rms norm" else [True, False]  # weights stay in float32
    flows = [True, False] if name == "next-token loss" else flows
    lowered = [x.bfloat16() if flow else x.float() for x, flow in zip(inputs, flows, strict=True)]
    small = [
        x.to(torch.float32 if name == "next-token loss" else torch.bfloat16)
        if isinstance(x, Tensor) and x.is_floating_point()
        else x
        for x in rest
    ]
    found = with_gradients(fused, lowered, small)
    exact = with_gradients(plain, [x.double() for x in lowered], rest)
    for own, wanted in zip(found, exact, strict=True):
        error = (own.double() - wanted).norm() / wanted.norm()
        assert error < 0.02


def test_gradients_keep_the_type_of_what_they_belong_to():
    vectors = drawn(6, D).bfloat16().requires_grad_()
    matrix = drawn(7, D, seed=1).float().requires_grad_()
    loss = next_token_loss(vectors, matrix, torch.zeros(6, dtype=torch.long), torch.ones(6))
    into_vectors, into_matrix = torch.autograd.grad(loss, [vectors, matrix])
    assert (loss.dtype, into_vectors.dtype, into_matrix.dtype) == (torch.float32, torch.bfloat16, torch.float32)


def test_inputs_are_left_as_they_are():
    for fused, _, inputs, rest in CASES.values():
        before = [x.clone() for x in inputs]
        with_gradients(fused, inputs, rest)
        assert all(torch.equal(x, was) for x, was in zip(inputs, before, strict=True))


def test_inputs_and_gradients_that_are_not_contiguous_make_no_difference():
    for name in ("rms norm", "gated silu", "rotate", "attention, causal"):
        fused, _, inputs, rest = CASES[name]
        first = inputs[0]
        spread = first.transpose(0, -1).contiguous().transpose(0, -1)
        assert not spread.is_contiguous()
        own = with_gradients(lambda x, *more, f=fused: f(x, *more) * 1.0, [first, *inputs[1:]], rest)
        leaf = spread.detach().requires_grad_()
        value = fused(leaf, *inputs[1:], *rest)
        above = drawn(*value.shape, seed=9).transpose(0, -1).contiguous().transpose(0, -1)
        torch.testing.assert_close(value, own[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(torch.autograd.grad(value, leaf, above)[0], own[1], rtol=1e-10, atol=1e-12)


def test_a_very_unlikely_target_has_a_finite_loss_and_gradient():
    vectors = torch.tensor([[300.0, 0.0]], requires_grad=True)
    matrix = torch.eye(2)
    loss = next_token_loss(vectors, matrix, torch.tensor([1]), torch.ones(1))
    assert float(loss.detach()) == pytest.approx(300.0)
    assert torch.autograd.grad(loss, vectors)[0].tolist() == [[1.0, -1.0]]
