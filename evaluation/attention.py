"""How much each frame of some utterances is attended to, in a file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file


def write_attention(attention: Sequence[np.ndarray], path: Path) -> None:
    """Write how much each frame is attended to [T], utterance by utterance, as float16 end to end with ``lengths``."""
    lengths = np.array([len(row) for row in attention], np.int64)
    rows = np.concatenate([*attention, np.empty(0)]).astype(np.float16)
    save_file({"attention": rows, "lengths": lengths}, path)


def read_attention(path: Path) -> list[np.ndarray]:
    """Read what `write_attention` or training wrote: per utterance float32 [T]."""
    content = load_file(path)
    ends = np.cumsum(content["lengths"])
    return np.split(content["attention"].astype(np.float32), ends[:-1]) if len(ends) else []
