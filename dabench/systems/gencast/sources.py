"""Where the files of a GenCast system are, and what is known of a model before they are read."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from dabench.core.errors import Caution, UserError
from dabench.systems.gencast import official
from dabench.systems.gencast.fetch import cache
from dabench.systems.gencast.frames import Time


def checkpoint_file(model: str) -> Path:
    """The file of a model's name or path; UserError if it is not there."""
    if model in official.MODELS:
        file = published_file(official.MODELS[model])
        if not file.exists():
            raise UserError(f"{file} is not there; `dabench fetch {model}` gets it")
        return file
    file = Path(model).expanduser()
    if not file.exists():
        names = ", ".join(official.MODELS)
        raise UserError(f"system.model: no file {model}, and no published model; those are {names}")
    return file


def published_file(model: official.Model) -> Path:
    """Where the cache has a published checkpoint, or would have it."""
    return cache.gencast() / official.PARAMS / official.cached_name(model.file)


def statistics_folder(folder: str) -> Path:
    """The folder of the normalisation: the one named, else the cache's."""
    return Path(folder).expanduser() if folder else cache.gencast() / official.STATS


def frames_places(data: str) -> list[Path]:
    """Where frames are: in the store or folder named, else in the cache, samples included."""
    return [Path(data).expanduser()] if data else [cache.era5(), cache.gencast() / official.DATASET]


def advice(data: str) -> str:
    """What to do where frames are missing."""
    return "check system.data" if data else "`dabench fetch era5 --scenario ...` gets them"


def spacing_of(model: str, resolution: float | None) -> float:
    """Grid spacing in degrees; UserError if nothing says it, or if it is not the model's."""
    published = official.known(model)
    own = published.resolution if published else resolution
    if own is None:
        raise UserError(f"system.resolution: give the grid spacing (degrees) of {model}")
    if resolution not in (None, own):
        raise UserError(f"system.resolution: {model} is a model of {own} degrees, not {resolution}")
    if abs(180 / own - round(180 / own)) > 1e-9:
        raise UserError(f"system.resolution: {own} does not divide 180 degrees")
    return own


def warn_of_training_years(model: str, times: Sequence[Time]) -> None:
    """Caution where a published model was trained on times that it is to forecast."""
    published = official.known(model)
    years = sorted({int(str(time)[:4]) for time in times})
    if published and any(published.trained[0] <= year <= published.trained[1] for year in years):
        first, last = published.trained
        warnings.warn(
            f"{model} was trained on {first} to {last}, and this period is in {years[0]}"
            + (f" to {years[-1]}" if years[1:] else "")
            + ": not a causal evaluation",
            Caution,
            stacklevel=2,
        )
