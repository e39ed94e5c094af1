"""A bidirectional GRU layer on a CPU, with its own back-propagation through time.

torch's own runs each direction by itself, every frame as a dozen small operations that are all recorded for the
gradient. Here a step does both directions at once and in place, and what needs no earlier step is computed for all
frames together. On a GPU cuDNN is faster.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class BidirectionalRecurrence(torch.autograd.Function):
    """Both directions of a GRU layer: what ``nn.GRU`` computes, and zero at padding.

    ``r = sigmoid(x_r + W_r h)``, ``z = sigmoid(x_z + W_z h)``, ``n = tanh(x_n + r (W_n h + b))``,
    ``h' = n + z (h - n)``, where x are the weighted inputs with their biases. As the state is zero at padding, the
    second direction begins at each utterance's own last frame. Gradients go backwards once.

    Shape:
        frames ``[T, B, D]``, real ``[2, T, B, 1]`` (1 at frames, 0 at padding; twice the same), input weights
        ``[2, 3H, D]`` and input bias ``[2, 3H]`` (in the order r, z, n), weights ``[2, 3H, H]``, bias ``[2, H]`` (b)
        -> ``[T, B, 2H]``. The inputs are weighted in the type of the frames; all else is in that of the weights.

    Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder", with cuDNN's reset gate.
    """

    @staticmethod
    def forward(
        context, frames: Tensor, real: Tensor, input_weights: Tensor, input_bias: Tensor, weights: Tensor, bias: Tensor
    ) -> Tensor:
        num_steps, num_rows, hidden = *frames.shape[:2], bias.shape[1]
        rows = frames.flatten(0, 1).expand(2, -1, -1)
        transposed = input_weights.to(frames.dtype).transpose(1, 2)
        gates = torch.baddbmm(input_bias.to(frames.dtype)[:, None], rows, transposed).to(weights.dtype)
        gates = gates.view(2, num_steps, num_rows, 3 * hidden)  # to become r, z and W_n h + b
        candidates = gates[..., 2 * hidden :].clone()  # to become n
        gates[..., 2 * hidden :] = bias[:, None, None]
        states = gates.new_zeros(2, num_steps + 1, num_rows, hidden)  # of times 0..T, and of T..0
        transposed = weights.transpose(1, 2).contiguous()
        state, *following = _steps(states)
        steps = zip(_steps(gates), _steps(candidates), following, _steps(real), strict=True)
        for gate, candidate, new, mask in steps:
            gate.baddbmm_(state, transposed)
            gate[..., : 2 * hidden].sigmoid_()
            reset, update, product = gate.split(hidden, dim=-1)
            candidate.addcmul_(reset, product).tanh_()
            state = torch.lerp(candidate, state, update, out=new).mul_(mask)
        context.save_for_backward(frames, real, input_weights, weights, gates, candidates, states)
        return torch.cat([states[0, 1:], states[1, :-1]], dim=-1)

    @staticmethod
    @once_differentiable
    def backward(context, gradient: Tensor) -> tuple[Tensor | None, ...]:
        frames, real, input_weights, weights, gates, candidates, states = context.saved_tensors
        num_steps, hidden = len(frames), weights.shape[2]
        before = torch.stack([states[0, :-1], states[1, 1:]])
        update = gates[..., hidden : 2 * hidden].contiguous()
        # how the new state changes with r, z and W_n h + b, before their sigmoids, and with n, before its tanh
        of_candidate = (1 - candidates.square()).mul_(1 - update)
        slopes = gates  # in place of the gates, which torch then refuses to use a second time
        of_reset, of_update, of_product = slopes.split(hidden, dim=-1)
        of_update.sub_(update.square()).mul_(before - candidates)
        scored = of_candidate * of_product
        torch.mul(of_candidate, of_reset, out=of_product)
        of_reset.addcmul_(of_reset, of_reset, value=-1).mul_(scored)
        of_states = torch.stack(gradient.split(hidden, dim=-1)).mul_(real)
        columns = (of_states, slopes, slopes.unflatten(-1, (3, hidden)), update, real)
        steps = list(zip(*map(_steps, columns), strict=True))
        for step in range(num_steps - 1, -1, -1):
            now, slope, slope_by_gate, keep, _ = steps[step]
            slope_by_gate.mul_(now[..., None, :])
            if step:
                earlier, *_, mask = steps[step - 1]
                earlier.addcmul_(now, keep).baddbmm_(slope, weights).mul_(mask)
        rows, flat = frames.flatten(0, 1), slopes.flatten(1, 2)
        of_weights = torch.stack([slope.t() @ state.flatten(0, 1) for slope, state in zip(flat, before, strict=True)])
        of_bias = of_product.sum(dim=(1, 2))
        torch.mul(of_states, of_candidate, out=of_product)  # x_n does not pass through the reset gate
        of_input_bias, flat = flat.sum(dim=1), flat.to(frames.dtype)
        of_input_weights = torch.stack([slope.t() @ rows for slope in flat]).to(weights.dtype)
        of_frames = None
        if context.needs_input_grad[0]:
            onwards, backwards = input_weights.to(frames.dtype)
            of_frames = (flat[0] @ onwards).addmm_(flat[1], backwards).view_as(frames)
        return of_frames, None, of_input_weights, of_input_bias, of_weights, of_bias


def _steps(values: Tensor) -> list[Tensor]:
    """What both directions work on, step by step: [2, T, ...] -> T views [2, ...], of the times t and T - 1 - t."""
    last, time = values.shape[1] - 1, values.stride(1)
    shape, strides, start = (2, *values.shape[2:]), values.stride()[2:], values.storage_offset()
    return [
        values.as_strided(shape, (values.stride(0) + (last - 2 * step) * time, *strides), start + step * time)
        for step in range(last + 1)
    ]
