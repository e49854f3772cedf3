"""GenCast on ERA5 as a system: a published or local checkpoint, and frames that were fetched."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Le
from jaxtyping import Bool, Float

from dabench.core.bounds import TimesOrNever
from dabench.core.errors import UserError
from dabench.core.layout import Layout
from dabench.systems import perturbations
from dabench.systems.base import System
from dabench.systems.gencast import batches, channels, checkpoint, official, sources
from dabench.systems.gencast import frames as era5
from dabench.systems.gencast.checkpoint import Checkpoint, TaskConfig
from dabench.systems.gencast.frames import Frames
from dabench.systems.gencast.model import FRAME_SECONDS, GenCast, on_grid
from dabench.systems.gencast.network import parameters
from dabench.systems.gencast.network.memory import members_at_once
from dabench.systems.gencast.normalise import Statistics, load_statistics, values

Precision = Literal["highest", "tensorfloat32", "bfloat16"]
States = Float[np.ndarray, "row state"]


def gencast(
    *,
    model: str = "gencast_1p0deg",
    start: str,
    resolution: Annotated[float, Ge(0.1), Le(90)] | None = None,
    statistics: str = "",
    data: str = "",
    climate: Annotated[int, Ge(0), Le(1000)] = 0,
    precision: Precision = "highest",
    project: bool = False,
    land: Literal["fixed", "free"] = "fixed",
    batch: TimesOrNever = 0,
) -> System:
    """GenCast, with ERA5 as the truth.

    Arguments:
        model: A published model (gencast_1p0deg, gencast_1p0deg_mini, gencast_0p25deg,
            gencast_0p25deg_operational), which `dabench fetch` gets, or a checkpoint's path.
        start: ISO time of cycle 0, UTC.
        resolution: Grid spacing in degrees; a published model's own by default.
        statistics: Folder of the normalisation; the cache's by default.
        data: Zarr or example batch with the frames, or a folder of such; the cache's by default.
        climate: States of the climate: the same hour of the year in so many years before. With
            none, one state of constant fields is all that methods know of it.
        precision: Precision of matrix products: float32 throughout, TF32 where there are tensor
            cores, or bfloat16 for weights and activations too.
        project: Whether D is projected on the range of the noise's covariance. Guidance moves
            nothing outside of it, where a network's own output piles up over the cycles.
        land: Sea-surface temperature on land is `fixed` at a constant that nobody observes; or
            `free`, as the FA-APF authors have it: truth has the constant, forecasts what the
            network says, and it is observed, guided and weighted as if it were sea.
        batch: Members in the network at once; 0 takes as many as free memory holds.
    """
    weights, folder = sources.checkpoint_file(model), sources.statistics_folder(statistics)
    loaded = checkpoint.load(weights)
    parameters.check(loaded.params, loaded.config)
    levels = loaded.config.task_config.pressure_levels
    frames = Frames(sources.frames_places(data), sources.spacing_of(model, resolution), levels)
    begin = era5.parse(start)
    first, earlier = era5.of_run(begin, 0), era5.of_climate(begin, climate)
    frames.require([*first, *earlier], sources.advice(data))
    tables = load_statistics(folder)
    options = {"project": project, "land_free": land == "free"}
    opened = open_on(frames, first, loaded, tables, precision=precision, **options)
    states = climate_of(opened, frames, earlier, tables)
    return System(
        name="gencast",
        model=opened,
        truth=truth_of(model, opened, frames, begin, sources.advice(data)),
        climate=states,
        perturb=perturbations.of_climate(states),
        cycle_seconds=FRAME_SECONDS,
        trajectory=lambda seed: "frames",
        start=str(begin),
        digest=_digest(
            weights, folder, frames.digest([*first, *earlier]), precision, *_chosen(options)
        ),
        graph=opened.network.graph.digest,
        batch=batch or members_at_once(opened.network),
        memory_advice="system.batch, or system.precision: bfloat16",
    )


def layout(
    *,
    start: str,
    model: str = "gencast_1p0deg",
    resolution: float | None = None,
    **_: object,
) -> Layout:
    """The system's layout by its settings, without weights or frames.

    Where land is, and how high, stands in the frames. Here every other point counts as land, and
    all lie at the sea's level, so that a scenario can be checked before anything is fetched.
    """
    era5.parse(start)  # which no frame has at other hours
    task = official.TASK
    if model not in official.MODELS:
        task = checkpoint.load(sources.checkpoint_file(model)).config.task_config
    spacing = sources.spacing_of(model, resolution)
    latitude = np.linspace(-90, 90, round(180 / spacing) + 1)
    longitude = np.arange(round(360 / spacing)) * spacing
    every_other = np.arange(len(latitude) * len(longitude)) % 2 == 0
    flat = np.zeros(every_other.shape)
    return channels.layout(task, latitude, longitude, land=every_other, height=flat)


def land(
    *,
    start: str,
    model: str = "gencast_1p0deg",
    resolution: float | None = None,
    data: str = "",
    **_: object,
) -> Float[np.ndarray, "point"]:
    """The share of land at every point, as the frame of cycle 0 has it, by the system's settings.

    UserError where that frame is not here.
    """
    frames = Frames(sources.frames_places(data), sources.spacing_of(model, resolution), ())
    begin = era5.parse(start)
    frames.require([begin], sources.advice(data))
    share = frames.frame(begin)["land_sea_mask"].sortby("lat")
    return share.transpose("lat", "lon").values.ravel()


def open_on(
    frames: Frames,
    times: Sequence[era5.Time],
    loaded: Checkpoint,
    statistics: Statistics,
    **settings: Any,
) -> GenCast:
    """The model on the grid of the frames; UserError if its mesh was made for another grid.

    Arguments:
        times: Times of frames; where one of them has no sea-surface temperature, there is no sea.
        settings: Further arguments of `GenCast`.
    """
    task = loaded.config.task_config
    frame = frames.frame(times[-1])
    latitude, longitude = (frame[name].values.astype(float) for name in ("lat", "lon"))
    no_sea = _no_sea(frames, times, task)
    static = batches.static(frame, task)
    opened = on_grid(loaded, statistics, latitude, longitude, static, no_sea, **settings)
    _fits(opened)
    size = loaded.config.denoiser_architecture_config
    official.check_graph(frames.resolution, size, opened.network.graph.digest)
    return opened


def truth_of(
    name: str, model: GenCast, frames: Frames, begin: era5.Time, advice: str
) -> Callable[[int, int], States]:
    """The system's `truth`: pairs of frames from `begin` on, whatever the seed."""

    def truth(seed: int, cycles: int) -> Float[np.ndarray, "cycle state"]:
        times = era5.of_run(begin, cycles)
        frames.require(times, advice)
        sources.warn_of_training_years(name, times[1:])
        fields = frames.values(times, model.task)
        fields = np.asarray(model.fill(jnp.asarray(fields))) if model.land_free else fields
        return np.stack([fields[:-1], fields[1:]], 1).reshape(cycles + 1, -1)

    return truth


def climate_of(
    model: GenCast, frames: Frames, times: Sequence[era5.Time], statistics: Statistics
) -> States:
    """States of the climate: one a pair of times or, without times, the mean on every level."""
    if times:
        fields = frames.values(times, model.task).reshape(-1, *model.layout.shape)
    else:
        means = values(statistics.mean, channels.targets(model.task), 0.0)
        fields = np.broadcast_to(means, (1, *model.layout.shape))
    return np.asarray(model.fill(jnp.asarray(fields))).reshape(len(fields), -1)


def _fits(model: GenCast) -> None:
    """UserError if the mesh of the network was made for another grid."""
    edges, network = model.network.graph.grid2mesh, model.network
    senders, receivers = (len(np.unique(ends)) for ends in edges[:2])
    if senders < network.grid_nodes or receivers < network.mesh_nodes:
        size = network.config.denoiser_architecture_config.mesh_size
        raise UserError(
            f"system.model: wrong checkpoint for a grid of {network.grid_nodes} points: with mesh "
            f"{size} ({network.mesh_nodes} nodes) {network.grid_nodes - senders} points and "
            f"{network.mesh_nodes - receivers} nodes have no neighbour"
        )


def _no_sea(
    frames: Frames, times: Sequence[era5.Time], task: TaskConfig
) -> Bool[np.ndarray, "point"] | None:
    """Points without sea-surface temperature at any of the times; None for a task without it."""
    index = [i for i, f in enumerate(channels.targets(task)) if f.name == channels.SST]
    return np.asarray(np.isnan(frames.values(times, task)[:, index]).any((0, 1))) if index else None


def _chosen(options: Mapping[str, bool]) -> list[str]:
    """The options that are on, so that digests are as if there were no others."""
    return [name for name, chosen in options.items() if chosen]


def _digest(weights: Path, statistics: Path, frames: str, *settings: object) -> str:
    """Digest of weights, statistics, first frames and settings; later frames have checksums."""
    content = hashlib.sha256(repr((frames, settings)).encode())
    for file in (weights, *(statistics / name for name in official.STATISTICS)):
        with open(file, "rb") as f:
            content.update(hashlib.file_digest(f, "sha256").digest())
    return content.hexdigest()
