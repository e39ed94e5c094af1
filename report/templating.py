"""Jinja as all pages of this kind use it: their style, their macros and their numbers."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def page_templates(package: str | None = None) -> Environment:
    """The templates of the report; with those of another package, which may include them.

    Pages are self-contained: they load nothing from anywhere.
    """
    packages = ["report"] if package is None else [package, "report"]
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name, "templates") for name in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value: "-" if value is None else f"{100 * value:.1f}"
    environment.filters["decimals"] = lambda value: f"{value:.3f}"
    environment.filters["points"] = lambda value: f"{100 * value:+.1f}"
    environment.filters["duration"] = _duration
    environment.filters["three_digits"] = lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    environment.filters["thousands"] = lambda value: f"{value:,}"
    environment.filters["p"] = lambda value: "< 0.001" if value < 0.001 else f"{value:.3f}"
    return environment


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
