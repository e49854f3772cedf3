"""GenCast on ERA5 as a system: a published or local checkpoint, and frames that were fetched."""

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import jax
import numpy as np
from annotated_types import Ge, Gt
from jaxtyping import Array, Bool, Float

from dabench.core.errors import Caution, UserError
from dabench.core.layout import Channel, Layout
from dabench.core.memory import free_bytes
from dabench.systems.base import System
from dabench.systems.gencast import batches, channels, checkpoint, official
from dabench.systems.gencast import frames as era5
from dabench.systems.gencast.checkpoint import Checkpoint, TaskConfig
from dabench.systems.gencast.fetch import cache
from dabench.systems.gencast.frames import Frames
from dabench.systems.gencast.model import FRAME_SECONDS, GenCast
from dabench.systems.gencast.network import parameters
from dabench.systems.gencast.network.denoiser import Network
from dabench.systems.gencast.normalise import SST, Statistics, load_statistics, values

SHARE, MOST = 0.25, 16
"""The rest of the memory is for the ensemble, the truth and what all members share."""
GRID_ARRAYS, EDGE_ARRAYS, LAYER_ARRAYS, FEEDFORWARD_ARRAYS = 20, 8, 12, 4

Precision = Literal["highest", "tensorfloat32", "bfloat16"]


def gencast(
    *,
    model: str = "gencast_1p0deg",
    start: str,
    resolution: Annotated[float, Gt(0)] | None = None,
    statistics: str = "",
    data: str = "",
    climate: Annotated[int, Ge(0)] = 0,
    precision: Precision = "highest",
    batch: Annotated[int, Ge(0)] = 0,
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
        precision: Of matrix products: float32 throughout, TF32 where there are tensor cores, or
            bfloat16 for weights and activations too.
        batch: Members in the network at once; 0 takes as many as free memory holds.
    """
    place = checkpoint_path(model)
    loaded = checkpoint.load(place)
    parameters.check(loaded.params, loaded.config)
    task, spacing = loaded.config.task_config, spacing_of(model, resolution)
    frames = Frames(frames_folder(data), spacing, task.pressure_levels)
    begin = era5.parse(start)
    first = era5.of_run(begin, 0)
    other = era5.of_climate(begin, climate)
    frames.require([*first, *other], _advice(data))
    opened = _open(loaded, _statistics(statistics), frames, first, precision, batch)
    size = loaded.config.denoiser_architecture_config
    official.check_graph(spacing, size, opened.network.graph.digest)
    advice = "system.batch, or system.precision: bfloat16"
    states = (
        _pairs(opened, frames.values(other, task))
        if other
        else _mean_state(opened, load_statistics(_statistics(statistics)))
    )

    def truth(seed: int, cycles: int) -> Float[np.ndarray, "cycle state"]:
        times = era5.of_run(begin, cycles)
        frames.require(times, _advice(data))
        warn_of_training_years(model, times[1:])
        fields = frames.values(times, task)
        return np.stack([fields[:-1], fields[1:]], 1).reshape(cycles + 1, -1)

    return System(
        name="gencast",
        model=opened,
        truth=truth,
        climate=states,
        perturb=_perturbation(states),
        cycle_seconds=FRAME_SECONDS,
        start=str(begin),
        digest=_digest(place, _statistics(statistics), frames.digest([*first, *other]), precision),
        graph=opened.network.graph.digest,
        extra={"batch": opened.batch, "precision": precision, "memory_advice": advice},
    )


def layout(
    *, model: str = "gencast_1p0deg", resolution: float | None = None, **_: object
) -> Layout:
    """The system's layout by its settings, without weights or frames; all of it counts as land."""
    task = official.TASK
    if model not in official.MODELS:
        task = checkpoint.load(checkpoint_path(model)).config.task_config
    spacing = spacing_of(model, resolution)
    stacked = channels.targets(task)
    return Layout(
        tuple(Channel(f.name, batches.UNITS.get(f.name, "1"), f.level) for f in stacked),
        {"latitude": _latitudes(spacing), "longitude": np.arange(round(360 / spacing)) * spacing},
        frames=channels.frames(task),
        land=np.ones(round(180 / spacing + 1) * round(360 / spacing), bool),
    )


def _latitudes(spacing: float) -> Float[np.ndarray, "lat"]:
    return np.linspace(-90, 90, round(180 / spacing) + 1)


def checkpoint_path(model: str) -> Path:
    """The file of a model's name or path; UserError if it is not there."""
    if model in official.MODELS:
        path = cache.gencast() / official.PARAMS / official.MODELS[model].file
        if not path.exists():
            raise UserError(f"{path} is not there; `dabench fetch {model}` gets it")
        return path
    path = Path(model).expanduser()
    if not path.exists():
        known = ", ".join(official.MODELS)
        raise UserError(f"system.model: no file {model}, and no published model; those are {known}")
    return path


def spacing_of(model: str, resolution: float | None) -> float:
    """Grid spacing in degrees; UserError if it is not known or not the model's."""
    published = official.known(model)
    if published is None and resolution is None:
        raise UserError(f"system.resolution: give the grid spacing (degrees) of {model}")
    own = published.resolution if published else resolution
    if resolution is not None and resolution != own:
        raise UserError(f"system.resolution: {model} is a model of {own} degrees, not {resolution}")
    assert own is not None
    if abs(180 / own - round(180 / own)) > 1e-9:
        raise UserError(f"system.resolution: {own} does not divide 180 degrees")
    return own


def frames_folder(data: str) -> Path:
    return Path(data).expanduser() if data else cache.era5()


def _advice(data: str) -> str:
    return "check system.data" if data else "`dabench fetch era5 --scenario ...` gets them"


def _statistics(folder: str) -> Path:
    return Path(folder).expanduser() if folder else cache.gencast() / official.STATS


def warn_of_training_years(model: str, times: Sequence[era5.Time]) -> None:
    """A caution where the model may have been trained on times that it is to forecast."""
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


def _open(
    loaded: Checkpoint,
    statistics: Path,
    frames: Frames,
    times: Sequence[era5.Time],
    precision: str,
    batch: int,
) -> GenCast:
    """The model on the grid of the frames; land is where either has no sea-surface temperature."""
    task = loaded.config.task_config
    frame = frames.frame(times[-1])
    static = batches.static(frame, task)
    opened = GenCast(
        loaded,
        load_statistics(statistics),
        frame["lat"].values.astype(float),
        frame["lon"].values.astype(float),
        static,
        _no_sea(frames, times, task),
        precision=precision,
    )
    _fits(opened)
    opened.batch = batch or members_at_once(opened.network)
    return opened


def members_at_once(network: Network) -> int:
    """As many members as `SHARE` of the free memory holds in a guided step, 1 to `MOST`."""
    return int(np.clip(SHARE * free_bytes() / member_bytes(network), 1, MOST))


def member_bytes(network: Network) -> float:
    """What one member keeps of a network that is linearised, in bytes.

    Activations are kept at every layer, and attention's are computed again. The numbers of arrays
    are those of a compiled step on a CPU (see the tests), whatever the precision.
    """
    size = network.config.denoiser_architecture_config
    transformer, width = size.sparse_transformer_config, size.latent_size
    edges = len(network.graph.grid2mesh.senders) + len(network.graph.mesh2grid.senders)
    a_layer = LAYER_ARRAYS * width + FEEDFORWARD_ARRAYS * transformer.ffw_hidden
    numbers = (
        GRID_ARRAYS * width * network.grid_nodes
        + EDGE_ARRAYS * width * edges
        + transformer.num_layers * a_layer * network.mesh_nodes
    )
    return 4 * numbers


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
    index = [i for i, f in enumerate(channels.targets(task)) if f.name == SST]
    return np.asarray(np.isnan(frames.values(times, task)[:, index]).any((0, 1))) if index else None


def _pairs(model: GenCast, fields: Float[np.ndarray, "time channel point"]) -> np.ndarray:
    """States of consecutive pairs of frames, filled where there is no sea."""
    states = fields.reshape(-1, *model.layout.shape)
    return np.asarray(model.fill(jax.numpy.asarray(states))).reshape(len(states), -1)


def _mean_state(model: GenCast, statistics: Statistics) -> Float[np.ndarray, "draw state"]:
    """One state, constant on every level, where nothing better was asked for."""
    means = values(statistics.mean, channels.targets(model.task), 0.0)
    fields = np.broadcast_to(means, model.layout.shape)
    return np.asarray(model.fill(jax.numpy.asarray(fields))).reshape(1, -1)


def _perturbation(states: Float[np.ndarray, "draw state"]):
    """The system's `perturb`: a difference of two climate states, scaled and added."""

    def perturb(key: Array, x: Float[Array, "state"], amplitude: float) -> Float[Array, "state"]:
        if len(states) < 2:
            raise UserError(
                "initial.kind: perturbations are differences of climate states; "
                "set system.climate to 2 or more, or start from the truth"
            )
        first, second = jax.random.choice(key, len(states), (2,), replace=False)
        climate = jax.numpy.asarray(states)
        return x + amplitude * (climate[first] - climate[second]) * 0.5**0.5

    return perturb


def _digest(place: Path, statistics: Path, frames: str, *settings: object) -> str:
    """Of weights, statistics, first frames and settings; later frames have their own checksums."""
    content = hashlib.sha256(repr((frames, settings)).encode())
    for file in (place, *(statistics / name for name in official.STATISTICS)):
        with open(file, "rb") as f:
            content.update(hashlib.file_digest(f, "sha256").digest())
    return content.hexdigest()
