"""Frame features and labels -> trained heads.

- `settings`: the parameters of training
- `batches`: frames by utterance id, on the CPU or on the GPU
- `augmentation`: training frames changed at random
- `objective`: the loss
- `schedule`: learning rate and adversary over a run
- `fold`: train one head on one fold with one seed, and predict
- `checkpoint`: a trained head on disk, and back
- `parallel`: several folds side by side
"""
