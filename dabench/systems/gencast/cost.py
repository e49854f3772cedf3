"""What a run on GenCast takes, counted from settings: the files may not be here yet."""

from collections.abc import Iterator

import numpy as np

from dabench.systems.base import ModelCost
from dabench.systems.gencast import channels, checkpoint, official, sources
from dabench.systems.gencast import frames as era5
from dabench.systems.gencast.checkpoint import Config
from dabench.systems.gencast.frames import Frames
from dabench.systems.gencast.model import own_sampler
from dabench.systems.gencast.network import memory, parameters, size

NUMBER = 4  # bytes
SAMPLE_START = np.datetime64("2019-03-29T12", "h")
SAMPLE_CYCLES = 30


def cost(
    *,
    model: str,
    start: str,
    cycles: int,
    resolution: float | None = None,
    statistics: str = "",
    data: str = "",
    batch: int = 0,
    **_: object,
) -> ModelCost:
    """Costs by the system's settings; a checkpoint that is here has the last word on its sizes.

    Arguments:
        cycles: Number of cycles of the run.
    """
    config, spacing = _config(model), sources.spacing_of(model, resolution)
    grid = (round(180 / spacing) + 1) * round(360 / spacing)
    sizes = size.expected(config, grid)
    width = config.denoiser_architecture_config.latent_size
    weights = sum(x.inputs * x.outputs for x in parameters.linears(config))
    step = memory.linearised_bytes(config, sizes)
    frame = grid * len(channels.targets(config.task_config)) * NUMBER
    return ModelCost(
        flops=size.flops(config, sizes),
        step_bytes=step,
        context_bytes=grid * width * NUMBER,
        frame_bytes=frame,
        weights_bytes=weights * NUMBER,
        batch=batch or memory.fitting(step),
        sampler=own_sampler(config.sampler_config),
        missing=tuple(_missing(model, config, start, cycles, spacing, statistics, data)),
    )


def _config(model: str) -> Config:
    """The configuration of a checkpoint that is here, else that of the published model."""
    published = official.MODELS.get(model)
    if published and not sources.published_file(published).exists():
        return published.config
    return checkpoint.load(sources.checkpoint_file(model)).config


def _missing(
    model: str,
    config: Config,
    start: str,
    cycles: int,
    spacing: float,
    statistics: str,
    data: str,
) -> Iterator[str]:
    """The commands that get what is not here."""
    published, folder = official.MODELS.get(model), sources.statistics_folder(statistics)
    there = all((folder / name).exists() for name in official.STATISTICS)
    if published and not (there and sources.published_file(published).exists()):
        yield f"dabench fetch {model}"
    begin = era5.parse(start)
    frames = Frames(sources.frames_places(data), spacing, config.task_config.pressure_levels)
    if frames.missing(era5.of_run(begin, cycles)):
        sample = begin == SAMPLE_START and cycles <= SAMPLE_CYCLES and spacing == 1.0
        yield "dabench fetch gencast_sample" if sample else "dabench fetch era5 --scenario SCENARIO"
