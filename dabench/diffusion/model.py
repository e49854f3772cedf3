"""What a diffusion forecast model is: its target, its noise, its denoiser, its sampler."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, Protocol, runtime_checkable

from annotated_types import Ge, Le
from jaxtyping import Array, Float, Key, PyTree

from dabench.core.bounds import NotNegative, Positive, TimesOrNever
from dabench.core.layout import Layout
from dabench.core.types import Keys, Members, Time


@dataclass(frozen=True)
class Sampler:
    """How to integrate from noise to a sample; every number here changes the draws.

    Arguments:
        method: `ab3` (third-order Adams-Bashforth, the paper's), `dpmpp_2m`, `dpmpp_3m` (second
            and third order in log sigma), `dpmpp_2s` (GenCast's own, two evaluations a level, with
            churn).
        levels: Number of noise levels above zero.
        sigma_max, sigma_min, rho: The levels follow Karras et al. (2022), equation 5.
        from_mean: Whether the first step is made from D + sigma_max e rather than from sigma_max e.
            Costs nothing, and keeps the 1 / sigma_max of the target's mean that draws lose else.
        correctors, tau: Langevin steps at each level, and their size: they restore the variance
            that a coarse integration loses, each for one more evaluation.
        corrector_at: Whether the Langevin steps of a level are made `before` the step that leaves
            it, at the first level too; or `after` the step that arrives there, not after the last,
            as the authors' program has it, which saves those of one level.
        corrector_shift: Added to the noise level of Langevin steps; the authors' program has 1e-4,
            which keeps it above zero where sigma_min is tiny.
        last: The end, z = D at sigma_min (`mean`), or one more step of the method from there to
            zero (`step`), which differs for `ab3` alone and matters where sigma_min is large.
        churn, churn_min, inflation: Noise that `dpmpp_2s` adds before its steps: its strength, the
            level above which it is added, and a factor; GenCast has 2.5, 0.75, 1.05.
    """

    method: Literal["ab3", "dpmpp_2m", "dpmpp_3m", "dpmpp_2s"] = "ab3"
    levels: Annotated[int, Ge(2), Le(1_000_000)] = 40
    sigma_max: Positive = 80.0
    sigma_min: Positive = 0.002
    rho: Positive = 7.0
    from_mean: bool = False
    correctors: TimesOrNever = 0
    tau: Positive = 0.3
    corrector_at: Literal["before", "after"] = "before"
    corrector_shift: NotNegative = 0.0
    last: Literal["mean", "step"] = "mean"
    churn: NotNegative = 0.0
    churn_min: NotNegative = 0.75
    inflation: Positive = 1.05

    def __post_init__(self) -> None:
        if not self.sigma_max > self.sigma_min:
            raise ValueError(
                f"sigma_max {self.sigma_max:g} must be larger than sigma_min {self.sigma_min:g}"
            )


class NoiseFactor(NamedTuple):
    """B of the covariance B Bᵀ that the noise of every field has, independently of the others.

    Arguments:
        fields, points, modes: Their numbers; a target is (field, point), flattened.
        apply: w -> B w, along the last axis.
        adjoint: z -> Bᵀ z, along the last axis.
    """

    fields: int
    points: int
    modes: int
    apply: Callable[[Float[Array, "*rows mode"]], Float[Array, "*rows point"]]
    adjoint: Callable[[Float[Array, "*rows point"]], Float[Array, "*rows mode"]]

    def split(self, z: Float[Array, "member target"]) -> Float[Array, "member field point"]:
        """Targets as (member, field, point)."""
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
class DiffusionModel(Protocol):
    """A forecast drawn by denoising, which is what lets a filter condition it on y.

    `diffusion.draw` makes its draws, with `sampler` unless a method has a sampler of its own. A
    model that has a cheaper exact draw is a `ForecastModel` too, and is then forecast with that.

    z = target + sigma e with e ~ N(0, C), where the target is a normalised form of x' and
    `next_state` the affine map from a target to x'.
    """

    layout: Layout
    sampler: Sampler
    target_size: int

    def condition(self, x: Members, time: Time) -> PyTree:
        """Whatever the denoiser needs to know of x; the first axis of every leaf is `member`.

        Computed once a cycle where that is not too much to keep.
        """
        ...

    def denoiser(
        self, sigma: Float[Array, ""]
    ) -> Callable[[Float[Array, "member target"], PyTree], Float[Array, "member target"]]:
        """D(z, condition) = E[target | z] at one noise level; work for the level is done here, once

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


Model = ForecastModel | DiffusionModel
"""A model that draws from p(x' | x), by itself or by denoising."""
