"""Predictions -> metrics, statistics, figures, report.

- `settings`: the parameters of evaluation
- `metrics`: WA, UA and F1 from confusion matrices
- `statistics`: intervals by bootstrap over speakers
- `assessment`: all that is said of one head
- `figures`: pictures for the report
- `report`: the heads side by side, as one HTML page
"""
