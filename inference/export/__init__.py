"""A trained head as ONNX files, which onnxruntime runs without torch: the head alone, and its encoder with it.

- `heads`, `encoders`: what is exported, as modules that the exporter can follow
- `graphs`: modules to files, files to sessions
- `reference`, `parity`: what torch gives, and whether a file gives the same
- `quantising`: the same in int8
- `material`: the utterances that this is tried on
- `comparison`: what each variant costs, and what it predicts
- `bundle`: the folder that is handed over
"""
