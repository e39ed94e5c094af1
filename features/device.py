"""Where encoders and heads compute."""

import torch

from data.errors import UserError


def choose_device(name: str, asked_by: str) -> torch.device:
    """``auto`` (the GPU if there is one), ``cpu`` or ``cuda``.

    Args:
        name: which.
        asked_by: the parameter or the option that says so, for the message.

    Raises:
        UserError: a GPU is asked for, and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(f"{asked_by} cuda, but torch sees no GPU here; use auto or cpu.")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def all_like(device: torch.device) -> list[torch.device]:
    """Every GPU, if the device is one; else the device alone."""
    if device.type != "cuda":
        return [device]
    return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
