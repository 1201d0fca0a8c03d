"""Hand-written backward passes for the steps between two matrix products.

On a CPU a small model spends most of its time there: autograd records a node and a buffer for every product, sum and
copy. Each function here is one node that keeps only what its backward pass needs. They compute what the plain
formulas in their docstrings say, in the dtype of their input (statistics in float32), and `tests/test_models_fused.py`
holds values and gradients against those formulas.

Shapes: B rows, T tokens, H heads, D head width, W width, F feed-forward width, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["causal_attention", "gated_silu", "next_token_loss", "rms_norm", "rotate"]


def _rotated(x: Tensor, cosine: Tensor, sine: Tensor, out: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    left, right = out.chunk(2, dim=-1)
    torch.mul(first, cosine, out=left).addcmul_(second, sine, value=-1)
    torch.mul(second, cosine, out=right).addcmul_(first, sine)
    return out


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        return _rotated(x, cosine, sine, torch.empty_like(x))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        cosine, sine = ctx.saved_tensors  # the inverse of a rotation is its transpose
        return _rotated(gradients[0], cosine, -sine, torch.empty_like(gradients[0])), None, None


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """[a cos - b sin, b cos + a sin] for the halves a, b of each head's vector in x [B, T, H, D]."""
    rotated: Tensor = _Rotate.apply(x, cosine, sine)
    return rotated


class _CausalAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, read: Tensor, cosine: Tensor, sine: Tensor, mask: Tensor) -> Tensor:
        batch, length, triple, head_width = read.shape
        heads = triple // 3
        turned = read.new_empty(batch, length, 2 * heads, head_width)
        _rotated(read[:, :, : 2 * heads], cosine, sine, turned)
        queries, keys = (_by_head(part) for part in turned.split(heads, dim=2))
        values = _by_head(read[:, :, 2 * heads :])
        scores = torch.bmm(queries.mul_(head_width**-0.5), keys.transpose(1, 2))
        scores.view(batch, heads, length, length).add_(mask)
        weights = torch.softmax(scores, dim=-1)
        ctx.save_for_backward(queries, keys, values, weights, cosine, sine)
        looked = torch.bmm(weights, values).view(batch, heads, length, head_width)
        return looked.transpose(1, 2).reshape(batch, length, heads * head_width)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        queries, keys, values, weights, cosine, sine = ctx.saved_tensors
        rows, length, head_width = queries.shape
        batch = len(gradients[0])
        heads = rows // batch
        gradient = _by_head(gradients[0].view(batch, length, heads, head_width))
        scores = torch._softmax_backward_data(torch.bmm(gradient, values.transpose(1, 2)), weights, -1, weights.dtype)
        turned = gradient.new_empty(batch, length, 2 * heads, head_width)
        into_queries = torch.bmm(scores, keys).mul_(head_width**-0.5)
        turned[:, :, :heads] = into_queries.view(batch, heads, length, head_width).transpose(1, 2)
        into_keys = torch.bmm(scores.transpose(1, 2), queries)
        turned[:, :, heads:] = into_keys.view(batch, heads, length, head_width).transpose(1, 2)
        read = gradient.new_empty(batch, length, 3 * heads, head_width)
        _rotated(turned, cosine, -sine, read[:, :, : 2 * heads])
        into_values = torch.bmm(weights.transpose(1, 2), gradient)
        read[:, :, 2 * heads :] = into_values.view(batch, heads, length, head_width).transpose(1, 2)
        return read, None, None, None


def _by_head(x: Tensor) -> Tensor:
    """[B, T, H, D] as one matrix per head, [B H, T, D], contiguous: what a batched product reads fastest."""
    return x.transpose(1, 2).reshape(-1, x.shape[1], x.shape[3])


def causal_attention(read: Tensor, cosine: Tensor, sine: Tensor, mask: Tensor) -> Tensor:
    """softmax(q k' / sqrt(D) + mask) v with rotated q and k; `read` [B, T, 3 H, D] holds q, k and v.

    `mask` [T, T] or [B, 1, T, T] is 0 where a token may look and -inf elsewhere. All T x T weights are kept for the
    backward pass: meant for training on contexts of a few hundred tokens, where it is several times faster on a CPU
    than PyTorch's flash kernel (`benchmarks/training.py`). Returns [B, T, H D].
    """
    looked: Tensor = _CausalAttention.apply(read, cosine, sine, mask)
    return looked


class _GatedSilu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, risen: Tensor) -> Tensor:
        gate, up = risen.chunk(2, dim=-1)
        open_ = torch.nn.functional.silu(gate)
        ctx.save_for_backward(risen, open_)
        return open_ * up

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        risen, open_ = ctx.saved_tensors
        gate, up = risen.chunk(2, dim=-1)
        out = torch.empty_like(risen)
        into_gate, into_up = out.chunk(2, dim=-1)
        torch.mul(gradients[0], open_, out=into_up)
        into_gate.copy_(torch.ops.aten.silu_backward(gradients[0] * up, gate))
        return out


def gated_silu(risen: Tensor) -> Tensor:
    """silu(gate) * up for the halves gate, up of `risen` [B, T, 2 F]."""
    gated: Tensor = _GatedSilu.apply(risen)
    return gated


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        length = torch.linalg.vector_norm(
            flat, dim=-1, keepdim=True, dtype=torch.float32 if x.dtype != torch.float64 else None
        )
        inverse = (length * length / x.shape[-1]).add_(epsilon).rsqrt_().to(x.dtype)
        normal = flat * inverse
        ctx.save_for_backward(normal, inverse, weight)
        return (normal * weight.to(x.dtype)).view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        normal, inverse, weight = ctx.saved_tensors
        gradient = gradients[0].reshape_as(normal)
        product = gradient * normal
        into_weight = product.sum(dim=0, dtype=weight.dtype)
        lowered = weight.to(gradient.dtype)
        share = torch.mv(product, lowered).div_(normal.shape[-1]).unsqueeze_(-1)  # mean of (gradient weight normal)
        into_x = (gradient * lowered).addcmul_(normal, share, value=-1).mul_(inverse)
        return into_x.view_as(gradients[0]), into_weight, None


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """x / sqrt(mean(x^2) + epsilon) * weight, for x [..., W]."""
    normal: Tensor = _RMSNorm.apply(x, weight, epsilon)
    return normal


class _NextTokenLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        vectors: Tensor,
        matrix: Tensor,
        targets: Tensor,
        weights: Tensor,
        bias: Tensor | None,
        rows: Tensor | None,
        at_once: int,
        graded: bool,
    ) -> Tensor:
        lowered = matrix.to(vectors.dtype)
        learned = None if rows is None else rows.to(vectors.dtype)
        asked = [graded and needed for needed in ctx.needs_input_grad]  # not for a matrix that is frozen
        into_vectors = torch.empty_like(vectors) if asked[0] else None
        into_matrix = into_bias = into_rows = None
        total = weights.new_zeros(())
        for start in range(0, len(targets), at_once):
            piece = slice(start, start + at_once)
            loss, share = _loss_and_share(vectors[piece], lowered, targets[piece], weights[piece], bias, learned)
            total += loss
            if into_vectors is not None:
                into_vectors[piece] = _through_output(share, lowered, learned)
            if asked[1]:
                into_matrix = _plus(into_matrix, torch.mm(share.t(), vectors[piece]), weights.dtype)
            if asked[4]:
                into_bias = _plus(into_bias, share.sum(dim=0, dtype=weights.dtype), weights.dtype)
            if asked[5] and learned is not None:
                last = share[:, -len(learned) :]
                into_rows = _plus(into_rows, torch.mm(last.t(), vectors[piece]), weights.dtype)
        ctx.save_for_backward(into_vectors, into_matrix, into_bias, into_rows)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        into_vectors, into_matrix, into_bias, into_rows = (
            None if own is None else own * gradients[0].to(own.dtype) for own in ctx.saved_tensors
        )
        return into_vectors, into_matrix, None, None, into_bias, into_rows, None, None


def _loss_and_share(
    vectors: Tensor, matrix: Tensor, targets: Tensor, weights: Tensor, bias: Tensor | None, learned: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The loss of some tokens, and the gradient of their logits [N, V] in the vectors' dtype."""
    logits = torch.mm(vectors, matrix.t()).to(weights.dtype)
    if learned is not None:
        logits[:, -len(learned) :] = torch.mm(vectors, learned.t())
    if bias is not None:
        logits += bias
    row = torch.arange(len(targets), device=targets.device)
    # log softmax of the target, from the logits and not from the share, which may have rounded to 0
    losses = torch.logsumexp(logits, dim=-1) - logits[row, targets]
    share = torch.softmax(logits, dim=-1)
    del logits  # as large as the share
    share[row, targets] -= 1
    return torch.dot(losses, weights), share.mul_(weights[:, None]).to(vectors.dtype)


def _through_output(share: Tensor, matrix: Tensor, learned: Tensor | None) -> Tensor:
    """The gradient of the vectors from that of the logits."""
    if learned is None:
        return torch.mm(share, matrix)
    first = len(matrix) - len(learned)
    return torch.mm(share[:, :first], matrix[:first]).addmm_(share[:, first:], learned)


def _plus(total: Tensor | None, more: Tensor, dtype: torch.dtype) -> Tensor:
    """A sum over pieces, in the dtype of the loss."""
    return more.to(dtype) if total is None else total.add_(more)


def next_token_loss(
    vectors: Tensor,
    matrix: Tensor,
    targets: Tensor,
    weights: Tensor,
    bias: Tensor | None = None,
    rows: Tensor | None = None,
    *,
    at_once: int = 1 << 30,
) -> Tensor:
    """Sum of weights * -log softmax(vectors matrix' + bias)[targets]: the output layer and its loss as one node.

    `vectors` [N, W], `matrix` [V, W], `targets` LongTensor [N], `weights` float32 [N], `bias` [V]. Gradients are formed
    in the forward pass, `at_once` tokens at a time: no second pass is needed, and no [N, V] where N is greater (Hsu et
    al. 2024, Liger Kernel, section 3.2). Returns a float32 scalar.
    `rows` [n, W] stand for the last n of the matrix, which are not read then: only they learn (`vocabulary.py`).
    """
    graded = torch.is_grad_enabled()
    loss: Tensor = _NextTokenLoss.apply(vectors, matrix, targets, weights, bias, rows, at_once, graded)
    return loss
