"""Clips -> frame features. Knows nothing of labels.

- `settings`: the parameters of feature sets
- `ssl`: a frozen self-supervised encoder (HuBERT and kin)
- `extraction`: a shard of clips -> a shard of frames, reading, computing and writing at the same time
- `quantisation`: frames as int8
- `store`: the HDF5 store of frames that everything later reads
"""
