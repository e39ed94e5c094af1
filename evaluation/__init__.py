"""Predictions -> metrics, statistics, analyses.

- `settings`: the parameters of evaluation
- `runs`: everything the train stage wrote for one head
- `results`: all figures as types; details.json is written and read here
- `units`: what intervals are drawn over, as far as speakers are known
- `statistics`: intervals and tests over speakers
- `groups` (and `durations`), `corpora`, `calibration`, `leakage`, `embedding`: one analysis each
- `attention`: how much each frame is attended to, in a file
- `assessment`: everything that can be said of test predictions
- `regression`: likewise of predicted ratings; `regression_comparison`: every such head against one reference head
- `progress`: how the runs of a head were trained
- `description`: what was run on what
- `cautions`: what a reader has to know of it
- `evaluation`: the files of an evaluation
- `head`: the evaluation of a head that was trained here
- `scoring`: the evaluation of predictions made elsewhere, from a CSV
- `comparison`: every head against one reference head
- `robustness`: a head on disturbed copies of its test utterances
- `ranking`: how heads rank over several corpora
"""
