"""Evaluations -> the HTML page, and its figures as tables for `dvc plots`.

- `page`: the heads side by side, as one HTML page (`report.html.j2` is its template)
- `figures`: the page's figures as pictures
- `plot_data`: the page's figures as tables
"""
