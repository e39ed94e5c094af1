"""The variants of an exported head side by side, as a self-contained HTML page of the report's kind."""

import json
from pathlib import Path

from app import export_table
from inference.export.bundle import DESCRIPTION
from inference.export.comparison import Comparison
from report.templating import page_templates


def write_page(comparison: Comparison, folder: Path) -> None:
    """Write index.html into an export's folder."""
    description = json.loads((folder / DESCRIPTION).read_text())
    environment = page_templates("app")
    environment.globals["wording"] = export_table
    template = environment.get_template("export.html.j2")
    page = template.render(comparison=comparison, description=description)
    (folder / "index.html").write_text(page, encoding="utf-8")
