"""Evaluations -> the HTML page, and its figures as tables for `dvc plots`.

- `settings`: the parameters of the report
- `evaluations`: everything that was evaluated
- `examples`: attention and waveforms of a few test utterances
- `cost`: what extraction and training cost, as far as it was measured here
- `section`: what is shown of one task; `wording`: the sentences at its head
- `robustness`: heads on disturbed copies, side by side
- `across_corpora`: within-corpus beside cross-corpus, over all tasks
- `leaderboard`: feature sets and heads by corpora, with ranks, where the heads make a grid
- `page`: the whole as one HTML page (its parts are in `templates`)
- `figures`: the page's figures as pictures
- `plot_data`: the page's figures as tables
"""
