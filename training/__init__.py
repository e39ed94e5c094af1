"""Frame features and labels -> trained heads.

- `settings`: the parameters of training
- `choices`: what `auto` stands for in them, and what does not fit a task
- `batches`: frames by utterance id, on the CPU or on the GPU
- `augmentation`: training frames changed at random
- `objective`: the loss
- `scores`: what validation is judged by
- `schedule`: learning rate and adversary over a run
- `job`: what one run is asked to do: a head, a fold, a seed
- `run`: train it, and write its files
- `goals`: what a run is trained towards, classes or ratings
- `convex`, `ridge`: the linear head at its minimum, of classes and of ratings
- `prediction`: what a model predicts, and how that is written
- `checkpoint`: a trained head on disk, and back
- `parallel`: several folds side by side
"""
