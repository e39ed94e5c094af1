"""Predictions -> metrics, statistics, analyses.

- `settings`: the parameters of evaluation
- `runs`: everything the train stage wrote for one head
- `statistics`: intervals and tests over speakers
- `groups`, `calibration`, `leakage`, `embedding`: one analysis each
- `attention`: how much each frame is attended to, in a file
- `assessment`: all that is said of one head
- `description`: what was run on what, and what to warn of
- `output`: the files of an evaluation
- `scoring`: predictions of anyone, from a CSV
- `comparison`: every head against one reference head
"""
