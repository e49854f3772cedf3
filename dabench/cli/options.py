"""Arguments and options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Runs = Annotated[list[Path], typer.Argument(help="Folders of runs (runs/.../seed0).")]
Out = Annotated[Path, typer.Option(help="Where runs are kept.")]
