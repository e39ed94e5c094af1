"""Clips -> frame features. Knows nothing of labels.

- `settings`: the parameters of feature sets
- `checkpoints`: a pretrained encoder on disk, in the hub's cache, or of random weights; what names its weights
- `encoder`: what every frozen encoder can do
- `ssl`: an encoder, opened by its checkpoint
- `waveform_encoder`, `whisper_encoder`: encoders of raw waveforms (HuBERT and kin), and Whisper's
- `current`: whether a local checkpoint still holds the weights that features were made with
- `extraction`: a shard of clips -> a shard of frames, reading, computing and writing at the same time
- `quantisation`: frames as int8
- `store`: the HDF5 store of frames that everything later reads
"""
