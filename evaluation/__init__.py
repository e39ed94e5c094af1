"""Predictions -> metrics, statistics, figures, report.

- `settings`: the parameters of evaluation
- `metrics`: WA, UA and F1 from confusion matrices
- `statistics`: intervals by bootstrap over speakers
- `assessment`: all that is said of one head
- `description`: what was run on what, and what to warn of
- `figures`: pictures for the report
- `report`: the heads side by side, as one HTML page
"""
