"""A trained head at work: audio -> what it predicts, with the numbers that the pipeline gives.

- `predictor`: the encoder and one or more runs of a head, ready to predict
- `opening`: from the folder of a head, of one of its runs, or of a packed model
- `columns`: an answer as columns, wherever it is written
- `recordings`: any audio file, or the bytes of one; `tape`: a compressed one in parts
- `timeline`: a long recording, window by window; `voice_activity`: where somebody speaks in it
- `packing`: runs of a head as one folder or zip, and back; `pack_format`, `pack_archive`: its description, and zips
- `temperature`: confidence that fits how often a run is right
- `card`: the model card; its parts: `card_figures`, and `corpus_facts` (what is known of the corpora)
- `timing`: how long things take, fairly
- `export`: heads and encoders as ONNX files, compared with torch
- `live`: predictions of the last seconds of a sound, while it goes on
"""

from inference.predictor import Answer, Predictor

__all__ = ["Answer", "Predictor"]
