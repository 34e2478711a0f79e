"""`lantern pairs`: preference pairs, from the model's own answers to a data set and to what verdicts say."""

from __future__ import annotations

import typer

from lab.cli.pairs_files import export_file, import_file
from lab.cli.pairs_stats import stats
from lab.cli.pairs_suggest import suggest

app = typer.Typer(
    help="Preference pairs: suggest, import, export, and what the verdicts say.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("suggest")(suggest)
app.command("import")(import_file)
app.command("export")(export_file)
app.command("stats")(stats)
