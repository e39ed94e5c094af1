"""Evaluations -> the HTML page, and its figures as tables for `dvc plots`.

- `settings`: the parameters of the report
- `evaluations`: everything that was evaluated
- `examples`: attention and waveforms of a few test utterances
- `cost`: what extraction and training cost, as far as it was measured here
- `page`: the heads side by side, as one HTML page (`report.html.j2` is its template)
- `figures`: the page's figures as pictures
- `plot_data`: the page's figures as tables
"""
