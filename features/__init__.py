"""Clips -> frame features. Knows nothing of labels.

- `kinds`: the registry of kinds; ``KINDS``, ``FeatureSettings`` (the settings of any kind), ``open_encoder(settings,
  device)``, ``version_line(settings)``
- `settings`: what the settings of all kinds have in common
- `device`: where encoders and heads compute
- `encoder`: what the encoders of all kinds can do
- `ssl`: hidden states of pretrained speech encoders; its parts:
  `checkpoints` (a pretrained encoder on disk, in the hub's cache, or of random weights; what names its weights),
  `pretrained` (what such encoders share), `waveform_encoder` (HuBERT and kin: `hubert` computes HuBERT and wav2vec 2.0
  with `products`, `transformers_model` any other), `whisper_encoder` (Whisper's),
  `current` (whether a local checkpoint still holds the weights that features were made with),
  `weights` (whether the hub's weights are here, and fetching them ahead of time)
- `mfcc`, `logmel`: mel-frequency cepstral coefficients and mel bands, librosa's; `mel` is what they share
- `extraction`: a shard of clips -> a shard of frames (``extract_shard``), in one process; `shared_extraction`: shards
  by every core or card; their parts: `batches` (clips that are encoded together), `overlap` (reading and writing while
  a GPU computes), `writing` (a shard, filled by any number of processes), `origin` (what names where a clip's frames
  come from), `reuse` (clips that have been encoded before)
- `quantisation`: frames as int8
- `store`: the HDF5 store of frames that everything later reads: ``FeatureSet``, of one corpus or joined
- `index`: a corpus's features described without them (``describe_store``), and joined with those of other corpora
  by their descriptions (``join_features``)
- `dataset`: a `torch.utils.data.Dataset` over the store, for people who train elsewhere
- `interchange`: features in the formats of other projects (``ser store export``)
"""
