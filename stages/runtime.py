"""How stages run: on which device, with how many workers."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from data.errors import UserError
from data.settings import Settings

if TYPE_CHECKING:
    import torch

_Count = Annotated[int, Field(ge=1)] | Literal["auto"]


class RuntimeSettings(Settings):
    """``runtime``: how, not what. Tracked by no stage and part of no fingerprint.

    Attributes:
        device: ``auto`` takes all GPUs, if there are any.
        engine: where extract and train run: ``local``, on this machine, or ``ray``, on the nodes of a Ray cluster.
        batch_size: clips per pass of the encoder.
        workers: threads of preprocess, processes of extract and train.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    engine: Literal["local", "ray"] = "local"
    batch_size: _Count = "auto"
    workers: _Count = "auto"

    def choose_device(self) -> "torch.device":
        """The device to compute on.

        Raises:
            UserError: a GPU is asked for, and there is none.
        """
        from features.device import choose_device  # imports torch, of which preprocess needs nothing

        return choose_device(self.device, "runtime.device:")

    def device_of(self, num_gpus: int) -> str:
        """The kind of device to compute on in a cluster: ``cpu`` or ``cuda``.

        Args:
            num_gpus: how many the cluster has.

        Raises:
            UserError: GPUs are asked for, and there are none.
        """
        if self.device == "cuda" and not num_gpus:
            raise UserError("runtime.device: cuda, but no node of the Ray cluster has a GPU; use auto or cpu.")
        return "cuda" if num_gpus and self.device != "cpu" else "cpu"
