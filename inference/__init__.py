"""A trained head at work: audio -> what it predicts, with the numbers that the pipeline gives.

- `predictor`: the encoder and one or more runs of a head, ready to predict
- `opening`: from the folder of a head, of one of its runs, or of a packed model
- `recordings`: any audio file, or the bytes of one; `tape`: a compressed one in parts
- `timeline`: a long recording, window by window; `voice_activity`: where somebody speaks in it
"""

from inference.predictor import Answer, Predictor

__all__ = ["Answer", "Predictor"]
