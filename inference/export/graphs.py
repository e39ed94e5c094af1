"""Modules -> ONNX files, and ONNX files -> sessions of onnxruntime."""

import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from data.errors import UserError
from inference.export.encoders import EncoderGraph
from inference.export.heads import HeadGraph

OPSET = 17  # the first with layer norm as one operator
_EXAMPLE_SAMPLES = 16000  # that the exporter follows through an encoder
_AXES = {
    "frames": {0: "batch", 2: "time"},
    "lengths": {0: "batch"},
    "waveforms": {0: "batch", 1: "samples"},
    "attention": {0: "batch", 1: "time"},
}


class OnnxModel:
    """An ONNX file, ready to run on the CPU.

    Args:
        path: the file.
        threads: of one call.

    Raises:
        UserError: onnxruntime cannot run it, or not on inputs of this shape.
    """

    def __init__(self, path: Path, threads: int = 1):
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.path = path
        with _refusal(path):
            self._session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Name -> value of every output."""
        with _refusal(self.path):
            return dict(zip(self._names, self._session.run(None, inputs), strict=True))


def check_installed() -> None:
    """Refuse to begin where onnx or onnxruntime is missing.

    Raises:
        UserError: saying how to install them.
    """
    _runtime()


def write_head(graph: HeadGraph, path: Path) -> None:
    """Write a head, of any batch size and number of frames."""
    _write(graph, graph.example(2, 5), ["frames", "lengths"], graph.outputs, path)


def write_encoder(graph: EncoderGraph, path: Path) -> None:
    """Write an encoder, of any batch size and number of samples."""
    num_samples = min(_EXAMPLE_SAMPLES, (graph.most_samples or 2 * _EXAMPLE_SAMPLES) // 2)
    waveforms = 0.1 * torch.randn(2, num_samples, generator=torch.Generator().manual_seed(0))
    _write(graph, (waveforms,), ["waveforms"], ["frames", "lengths"], path)


def join(encoder: Path, head: Path, path: Path) -> None:
    """Write an encoder and a head as one file: waveforms -> what the head returns."""
    import onnx
    from onnx import compose

    front, back = (
        compose.add_prefix(onnx.load(part), f"{prefix}/", rename_inputs=False, rename_outputs=False)
        for part, prefix in ((encoder, "encoder"), (head, "head"))
    )
    names = [output.name for output in back.graph.output]
    front.ir_version = back.ir_version = max(front.ir_version, back.ir_version)
    joined = compose.merge_models(
        front, back, io_map=[(name, name) for name in ("frames", "lengths")], outputs=names, producer_name="emocache"
    )
    versions = {opset.domain: opset.version for opset in joined.opset_import}  # both parts name theirs
    del joined.opset_import[:]
    joined.opset_import.extend(onnx.helper.make_opsetid(*opset) for opset in versions.items())
    onnx.save(joined, path)


def _write(
    graph: nn.Module, example: tuple[Tensor, ...], inputs: Sequence[str], outputs: Sequence[str], path: Path
) -> None:
    file = io.BytesIO()
    with _refusal(path), _silence(), _separate_operators(), torch.no_grad():
        torch.onnx.export(
            graph.eval(),
            example,
            file,
            dynamo=False,  # with torch 2.11 the newer exporter freezes the number of frames of a GRU
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: _AXES.get(name, {0: "batch"}) for name in (*inputs, *outputs)},
        )
    path.write_bytes(file.getvalue())


@contextmanager
def _refusal(path: Path) -> Iterator[None]:
    """What the exporter or onnxruntime cannot do, as an error that a person can read."""
    try:
        yield
    except Exception as error:  # those of onnxruntime have no class in common
        if not (isinstance(error, RuntimeError) or type(error).__module__.startswith("onnxruntime")):
            raise
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{path.name} cannot be written, or run, as ONNX: {reason}. Nothing was exported.") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Without the tracer's warnings, in Python and from C++ on stderr: `parity` finds what they warn of."""
    sys.stderr.flush()
    kept = os.dup(2)
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere:
        warnings.simplefilter("ignore")
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def _separate_operators() -> Iterator[None]:
    """Attention as products and a softmax, not as torch's one fused operator, which ONNX lacks."""
    was = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was)


def _runtime():
    try:
        import_module("onnx")  # which the exporter needs
        return import_module("onnxruntime")
    except ImportError as error:
        raise UserError(f'{error.name} is not installed, which `ser export` needs: pip install -e ".[onnx]"') from None
