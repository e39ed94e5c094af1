"""ONNX files in int8: weights alone, with activations scaled anew at every call (dynamic), or once for all (static)."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

_PRODUCTS = ["MatMul", "Gemm"]
_SIGNAL = ("transform", "filters")  # Whisper's log-mel frames span more powers of ten than int8 can


def quantise_dynamic(source: Path, target: Path) -> None:
    """Write a file whose matrix products are of int8; each activation's scale is found at every call.

    Convolutions stay float32: onnxruntime has no fast one whose scale is found at every call.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _prepared(source) as prepared:
        quantize_dynamic(
            prepared, target, op_types_to_quantize=_PRODUCTS, per_channel=True, weight_type=QuantType.QInt8
        )


def quantise_static(source: Path, target: Path, examples: Iterable[dict[str, np.ndarray]]) -> None:
    """Write a file whose matrix products and convolutions are of int8, with scales found on examples.

    Products of two activations (attention) stay float32.

    Args:
        source: the float32 file.
        target: the file.
        examples: inputs that are like those to come.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self._examples = iter(examples)

        def get_next(self):
            return next(self._examples, None)

    with _prepared(source) as prepared:
        quantize_static(
            prepared,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*_PRODUCTS, "Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_kept_in_float32(prepared),
        )


def count_operators(path: Path) -> Counter[str]:
    """Operator -> how many nodes of a file are one."""
    import onnx

    return Counter(node.op_type for node in onnx.load(path, load_external_data=False).graph.node)


def _kept_in_float32(path: Path) -> list[str]:
    """Names of products of two activations, and of what makes log-mel frames."""
    import onnx

    graph = onnx.load(path).graph
    weights = {weight.name for weight in graph.initializer}
    return [
        node.name
        for node in graph.node
        if (node.op_type == "MatMul" and not weights & set(node.input))
        or any(name.split("/")[-1] in _SIGNAL for name in node.input)
    ]


@contextmanager
def _prepared(source: Path) -> Iterator[Path]:
    """A file with constants folded and shapes inferred, which the quantiser asks for; it logs while it works."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = source.with_name(f".{source.name}.prepared")
    logging.disable(logging.WARNING)
    try:
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        yield prepared
    finally:
        logging.disable(logging.NOTSET)
        prepared.unlink(missing_ok=True)
