"""`discador schema` and `discador init`: the campaign language for editors and for newcomers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

NAME = r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command("schema")
    def schema_command() -> None:
        """Print the JSON Schema of a campaign file, so that an editor completes and checks it."""
        from campaigns.schema import schema  # noqa: PLC0415 - slow, and only needed here

        typer.echo(json.dumps(schema(), ensure_ascii=False, indent=2))

    @app.command("init")
    def init_command(
        name: Annotated[str, typer.Argument(help="The campaign's name.")] = "minha-campanha",
    ) -> None:
        """Write a commented campaign and a list of one row, to be changed; nothing is replaced."""
        import re  # noqa: PLC0415 - only here

        from campaigns.template import LIST, LIST_FILE, template  # noqa: PLC0415 - only here

        if not re.fullmatch(NAME, name):
            typer.echo(f'"{name}": a campaign\'s name is made of a-z, 0-9 and -', err=True)
            raise typer.Exit(1)
        files = {Path(f"{name}.yaml"): template(name, LIST_FILE), Path(LIST_FILE): LIST}
        there = [str(path) for path in files if path.exists()]
        if there:
            are = "is" if len(there) == 1 else "are"
            typer.echo(f"{' and '.join(there)} {are} already here; nothing was written", err=True)
            raise typer.Exit(1)
        for path, text in files.items():
            try:
                path.write_text(text, encoding="utf-8")
            except OSError as error:
                typer.echo(f"{path} cannot be written: {error.strerror}.", err=True)
                raise typer.Exit(1) from None
        typer.echo(f"Wrote {' and '.join(str(path) for path in files)}. Change them, then:")
        typer.echo(f"  discador validate {name}.yaml")
