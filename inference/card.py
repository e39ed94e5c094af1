"""The model card of a pack: README.md as Hugging Face reads it, YAML first.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import io
import json

from jinja2 import Environment, PackageLoader, StrictUndefined
from ruamel.yaml import YAML

from evaluation.results import Interval, MetricSummary
from inference.card_figures import CardFigures
from inference.corpus_facts import LANGUAGES
from inference.pack_format import PackDescription, PackedEncoder
from inference.temperature import BINS

_NAMES = {
    "ua": "UA",
    "wa": "WA",
    "macro_f1": "macro-F1",
    "weighted_f1": "weighted F1",
    "ccc": "CCC",
    "pearson": "Pearson",
    "mae": "MAE",
    "rmse": "RMSE",
}
_HUB_METRICS = {"ua": "recall", "wa": "accuracy", "macro_f1": "f1"}  # the metrics of the Hub that they are


def render_card(description: PackDescription) -> str:
    """README.md: YAML, then Markdown.

    Args:
        description: of a pack whose ``card`` is that of `card_figures`.
    """
    figures = CardFigures.model_validate_json(json.dumps(description.card))
    folds = sorted({int(run.name.split("/")[0].removeprefix("fold-")) for run in description.runs})
    environment = Environment(
        loader=PackageLoader("inference"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "percent": _percent,
        "score": _score,
        "count": "{:,}".format,
        "names": _listed,
        "language": LANGUAGES.get,
    }
    body = environment.get_template("card.md.j2").render(
        pack=description,
        figures=figures,
        names=_NAMES,
        folds=folds,
        all_runs=len(description.runs) == figures.num_folds * figures.num_seeds,
        gender=", ".join(f"{speakers} {name}" for name, speakers in figures.genders.items()),
        chosen="; ".join(f"{column} {' or '.join(values)}" for column, values in figures.chosen.items()),
        input=_input(description),
        features=_features(description),
        bins=BINS,
    )
    return f"---\n{_yaml(_metadata(description, figures))}---\n\n{body.strip()}\n"


def split_card(card: str) -> tuple[str, str]:
    """A card's YAML and its Markdown."""
    if card.startswith("---\n") and (end := card.find("\n---\n", 4)) > 0:
        return card[4 : end + 1], card[end + 5 :].lstrip("\n")
    return "", card


def _metadata(description: PackDescription, figures: CardFigures) -> dict:
    """The YAML: https://huggingface.co/docs/hub/model-cards"""
    metadata = {
        "license": figures.license,
        "license_name": "not-stated" if figures.license == "other" else None,
        "language": figures.languages,
        "library_name": "emocache",
        "pipeline_tag": "audio-classification",
        "tags": ["audio", "speech", "speech-emotion-recognition", "emotion-recognition", "emocache", figures.model],
        "datasets": [corpus.name for corpus in figures.corpora],
        "base_model": description.encoder.name if _is_on_hub(description.encoder) else None,
        "metrics": sorted({_HUB_METRICS[name] for name in figures.metrics if name in _HUB_METRICS}) or ["ccc"],
        "model-index": [{"name": description.name, "results": [_result(figures)]}],
    }
    return {key: value for key, value in metadata.items() if value}


def _result(figures: CardFigures) -> dict:
    """The result of the test, as the Hub has them."""
    task = "classification" if figures.classes else "ratings"
    return {
        "task": {"type": "audio-classification", "name": f"Speech emotion recognition ({task})"},
        "dataset": {
            "type": figures.corpora[0].name if len(figures.corpora) == 1 else "joined",
            "name": ", ".join(corpus.title for corpus in figures.corpora),
            "split": "test",
            "args": {"protocol": f"{figures.folds_sentence}; {figures.validation_sentence}"},
        },
        "metrics": [
            {
                "type": _HUB_METRICS.get(name, name),
                "name": f"{_NAMES.get(name, name)}, pooled over folds, mean over seeds",
                "value": round(metric.mean, 4),
                "args": {"interval": [round(metric.low, 4), round(metric.high, 4)], "over": "speakers", "level": 0.95},
            }
            for name, metric in figures.metrics.items()
            if name in _HUB_METRICS or not figures.classes
        ],
    }


def _is_on_hub(encoder: PackedEncoder) -> bool:
    return encoder.weights is not None and not encoder.is_folder and not encoder.name.startswith("untrained")


def _yaml(metadata: dict) -> str:
    text = io.StringIO()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 1000
    yaml.dump(metadata, text)
    return text.getvalue()


def _input(description: PackDescription) -> str:
    """What becomes of a recording."""
    clips = description.features.clips
    rate = f"{clips.sample_rate / 1000:g} kHz, mono"
    if clips.seconds is None:
        return f"Recordings are converted to {rate}, and analysed whole."
    part = {
        "start": f"the first {clips.seconds:g} s are analysed",
        "centre": f"the {clips.seconds:g} s in the middle are analysed",
        "loudest": f"the loudest {clips.seconds:g} s are analysed",
        "segments": f"longer ones are analysed in pieces of {clips.seconds:g} s, over which the answer is averaged",
    }[clips.crop]
    return f"Recordings are converted to {rate}; {part}."


def _features(description: PackDescription) -> str:
    """What the head sees of a recording."""
    features, encoder = description.features, description.encoder
    if encoder.weights is None:
        return f"`{features.kind}` features, which are computed from the audio without any learnt weights"
    return f"hidden states of the frozen encoder `{encoder.name}`"


def _percent(value: Interval | MetricSummary | float) -> str:
    """``78.0 %``; of an interval, its value."""
    return f"{100 * _value(value):.1f} %"


def _score(value: Interval | MetricSummary | float, metric: str) -> str:
    """A percentage, or of ratings a number."""
    return f"{_value(value):.3f}" if metric in ("ccc", "pearson", "mae", "rmse") else _percent(value)


def _value(value: Interval | MetricSummary | float) -> float:
    if isinstance(value, MetricSummary):
        return value.mean
    return value.value if isinstance(value, Interval) else value


def _listed(names: list[str]) -> str:
    """``a, b and c``"""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
