"""`dabench export` and `dabench import`."""

from pathlib import Path

from dabench.core.errors import UserError
from dabench.runs.exchange import export as weatherbench2

FORMATS = ("weatherbench2",)


def export(run: Path, format: str, out: Path | None, background: bool) -> Path:
    """A run in another format; returns the forecast store.

    Arguments:
        out: A new folder; beside the archive by default.
        background: Whether to draw forecasts over one cycle anew, for the second lead.
    """
    if format not in FORMATS:
        raise UserError(f"--format {format}: known are {', '.join(FORMATS)}")
    out = out or run / format
    if not background:
        return weatherbench2.export(run, out)
    from dabench.runs.exchange.background import background as forecasts

    return weatherbench2.export(run, out, *forecasts(run))
