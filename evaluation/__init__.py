"""Predictions -> metrics, statistics, figures, report.

- `settings`: the parameters of evaluation
- `runs`: everything the train stage wrote for one head
- `metrics`: WA, UA and F1 from confusion matrices
- `statistics`: intervals and tests over speakers
- `groups`, `calibration`, `leakage`, `embedding`, `attention`: one analysis each
- `assessment`: all that is said of one head
- `description`: what was run on what, and what to warn of
- `comparison`: every head against one reference head
- `plot_data`: the report's figures as tables
- `figures`: the report's figures as pictures
- `report`: the heads side by side, as one HTML page
"""
