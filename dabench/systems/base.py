"""What a forecast model, its state and a system are, for every other part of dabench."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
import xarray as xr
from annotated_types import Ge, Gt
from jaxtyping import Array, Float, Key, Num, PyTree

Keys = Key[Array, "member"]
Members = Float[Array, "member state"]
Time = Num[Array, ""]
Positive = Annotated[float, Gt(0)]


class Channel(NamedTuple):
    """One scalar field: its (ERA5) name, its units, its pressure level in hPa if it has one."""

    name: str
    units: str = "1"
    level: float | None = None


@dataclass(frozen=True, eq=False)
class Layout:
    """Names, units and coordinates of a state vector (frame, channel, point), flattened in C order.

    Arguments:
        channels: The fields, in the order of the state vector; levels of one variable are adjacent.
        coords: `latitude` and `longitude` in degrees, both one-dimensional and ascending (a point
            is latitude-major), or `site` = 0..n-1 (toy systems).
        frames: How many consecutive times the state holds, oldest first; the last is "now".
        periodic: Whether the sites form a ring.
        dtype: Of the state.
        land: (point,) which points are on land, where that is known.
        undefined: (channel, point) where a field has no meaning, as the sea-surface temperature on
            land has none; nobody observes it there.
    """

    channels: tuple[Channel, ...]
    coords: Mapping[str, np.ndarray]
    frames: int = 1
    periodic: bool = False
    dtype: str = "float32"
    land: np.ndarray | None = None
    undefined: np.ndarray | None = None

    @property
    def points(self) -> int:
        return int(np.prod([len(c) for c in self.coords.values()]))

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.frames, len(self.channels), self.points

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def on_sphere(self) -> bool:
        return "latitude" in self.coords

    def unflatten(self, x: Any) -> Any:
        """(..., state) to (..., frame, channel, point)."""
        return x.reshape(*x.shape[:-1], *self.shape)

    def now(self, x: Any) -> Any:
        """(..., state) to the last frame (..., channel, point)."""
        return self.unflatten(x)[..., -1, :, :]

    @cached_property
    def positions(self) -> dict[str, np.ndarray]:
        """Coordinates of every point: each (point,)."""
        grids = np.meshgrid(*self.coords.values(), indexing="ij")
        return {name: grid.ravel() for name, grid in zip(self.coords, grids, strict=True)}

    def channel(self, name: str, level: float | None = None) -> int:
        """Index of a channel; KeyError if there is none."""
        for i, c in enumerate(self.channels):
            if c.name == name and c.level == level:
                return i
        raise KeyError((name, level))

    def to_dataset(self, fields: np.ndarray, dims: tuple[str, ...] = ()) -> xr.Dataset:
        """Label (*dims, channel, point): one variable a name, `level` where it has levels."""
        grid = tuple(len(c) for c in self.coords.values())
        fields = np.asarray(fields)
        fields = fields.reshape(*fields.shape[:-1], *grid)
        axis, data = len(dims), {}
        for name in dict.fromkeys(c.name for c in self.channels):
            index = [i for i, c in enumerate(self.channels) if c.name == name]
            units, levels = self.channels[index[0]].units, [self.channels[i].level for i in index]
            values, level_dim = np.take(fields, index, axis), ("level",)
            if levels == [None]:
                values, level_dim = values.squeeze(axis), ()
            coords = {"level": np.array(levels, float)} if level_dim else {}
            data[name] = xr.DataArray(
                values,
                coords | dict(self.coords),
                (*dims, *level_dim, *self.coords),
                attrs={"units": units},
            )
        return xr.Dataset(data)

    def from_dataset(self, fields: xr.Dataset, dims: tuple[str, ...] = ()) -> np.ndarray:
        """The inverse of `to_dataset`: (*dims, channel, point); dimensions may be in any order."""
        found = []
        for c in self.channels:
            values = fields[c.name] if c.level is None else fields[c.name].sel(level=c.level)
            found.append(values.transpose(*dims, *self.coords).values)
        values = np.stack(found, axis=len(dims))
        return values.reshape(*values.shape[: len(dims) + 1], -1)


@dataclass(frozen=True)
class Sampler:
    """How to integrate from noise to a sample; every number here changes the draws.

    Arguments:
        method: `ab3` (third-order Adams-Bashforth, the paper's), `dpmpp_2m`, `dpmpp_3m` (second
            and third order in log sigma), `dpmpp_2s` (GenCast's own, two evaluations a level, with
            churn).
        levels: Number of noise levels above zero.
        sigma_max, sigma_min, rho: The levels follow Karras et al. (2022), equation 5.
        from_mean: Begin with D of pure noise and the noise around it, one evaluation more, so that
            sigma_max need not be large against the target's mean.
        correctors, tau: Langevin steps after each level, and their size.
        churn, churn_min, inflation: Of `dpmpp_2s` alone; GenCast's are 2.5, 0.75, 1.05.
    """

    method: Literal["ab3", "dpmpp_2m", "dpmpp_3m", "dpmpp_2s"] = "ab3"
    levels: Annotated[int, Ge(2)] = 40
    sigma_max: Positive = 80.0
    sigma_min: Positive = 0.002
    rho: Positive = 7.0
    from_mean: bool = False
    correctors: Annotated[int, Ge(0)] = 0
    tau: Positive = 0.3
    churn: Annotated[float, Ge(0)] = 0.0
    churn_min: Annotated[float, Ge(0)] = 0.75
    inflation: Positive = 1.05

    def __post_init__(self) -> None:
        if not self.sigma_max > self.sigma_min:
            raise ValueError(
                f"sigma_max {self.sigma_max:g} must be larger than sigma_min {self.sigma_min:g}"
            )


class NoiseFactor(NamedTuple):
    """B of the covariance B Bᵀ that the noise of every field has, independently of the others.

    Arguments:
        fields, points, modes: How many; a target is (field, point), flattened.
        apply: B x, of the last axis.
        adjoint: Bᵀ x, of the last axis.
    """

    fields: int
    points: int
    modes: int
    apply: Callable[[Float[Array, "*rows mode"]], Float[Array, "*rows point"]]
    adjoint: Callable[[Float[Array, "*rows point"]], Float[Array, "*rows mode"]]

    def split(self, z: Float[Array, "member target"]) -> Float[Array, "member field point"]:
        """Targets by field."""
        return z.reshape(-1, self.fields, self.points)


@runtime_checkable
class ForecastModel(Protocol):
    """Draws from p(x' | x) over one cycle, in physical units.

    All calls take the whole ensemble; member i depends on row i and key i alone, so results do not
    depend on how members are batched. `time` is the valid time of x' in seconds (since 1970 where
    the system has a calendar, of model time since the start elsewhere).
    """

    layout: Layout

    def forecast(self, keys: Keys, x: Members, time: Time) -> Members: ...


@runtime_checkable
class DiffusionModel(ForecastModel, Protocol):
    """A forecast drawn by denoising, which is what lets a filter condition it on y.

    z = target + sigma e with e ~ N(0, C), where the target is a normalised form of x' and
    `next_state` the affine map from a target to x'.
    """

    sampler: Sampler
    target_size: int

    def condition(self, x: Members, time: Time) -> PyTree:
        """All that the denoiser needs of x; leaves lead with `member`.

        Computed once a cycle where that is not too much to keep.
        """
        ...

    def denoiser(
        self, sigma: Float[Array, ""]
    ) -> Callable[[Float[Array, "member target"], PyTree], Float[Array, "member target"]]:
        """D(z, condition) = E[target | z] at one noise level; level-only work is done here, once.

        Differentiable in z in both modes; member i of the result depends on member i alone.
        """
        ...

    def noise(self, key: Key[Array, ""]) -> Float[Array, "target"]:
        """One draw of e ~ N(0, C)."""
        ...

    def noise_cov(self, w: Float[Array, "member target"]) -> Float[Array, "member target"]:
        """C w, row by row."""
        ...

    @property
    def noise_factor(self) -> NoiseFactor:
        """B of C = B Bᵀ; only preconditioners ask for it."""
        ...

    def next_state(self, z: Float[Array, "member target"], x: Members) -> Members:
        """x' in physical units from a clean target z and the current x; affine in z."""
        ...


@dataclass(frozen=True, eq=False)
class System:
    """A forecast model together with the truth it is tried on.

    Arguments:
        name: As in the scenario.
        model: What filters may use.
        truth: (seed, cycles) -> (cycles + 1, state): states at cycle 0, 1, .. cycles. Systems with
            a fixed verification trajectory start it at `start` and ignore the seed.
        climate: (draws, state) states of the climate, none of them from the truth's period.
        perturb: (key, x (state,), amplitude) -> (state,): a balanced perturbation of one state;
            amplitude in units of the climatological standard deviation, or of the state for toys.
        prior: key -> (state,): a draw from the law that the truth starts from, where it has one.
        cycle_seconds: Length of a cycle in seconds of model time.
        start: Valid time of cycle 0 as ISO text where there is a calendar, else None.
        digest: Of everything that determines the numbers (settings, weights, data).
    """

    name: str
    model: ForecastModel
    truth: Callable[[int, int], Any]
    climate: Any
    perturb: Callable[[jax.Array, jax.Array, float], jax.Array]
    cycle_seconds: float
    start: str | None = None
    prior: Callable[[jax.Array], jax.Array] | None = None
    digest: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        return self.model.layout
