"""How stages run: on which device, with how many workers."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from data.settings import Settings

if TYPE_CHECKING:
    import torch

_Count = Annotated[int, Field(ge=1)] | Literal["auto"]


class RuntimeSettings(Settings):
    """``runtime``: how, not what. Tracked by no stage and part of no fingerprint.

    Attributes:
        device: ``auto`` takes the GPU if there is one.
        batch_size: clips per pass of the encoder.
        workers: threads of preprocess, processes of train.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_size: _Count = "auto"
    workers: _Count = "auto"

    def choose_device(self) -> "torch.device":
        """The device to compute on.

        Raises:
            UserError: a GPU is asked for, and there is none.
        """
        from features.device import choose_device  # imports torch, of which preprocess needs nothing

        return choose_device(self.device, "runtime.device:")
