"""A guided evaluation D_y of the embedded network, in units of one forward evaluation D."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from benchmarks.race import Row, race, temporary_bytes
from dabench.diffusion import draw
from dabench.diffusion.guidance import GuidanceSettings, posterior_mean, prepare
from dabench.runs.experiment import Experiment
from dabench.scenario.load import change, load_scenario

MEMBERS = 4
SIGMAS = (1.5, 0.1)
PRIOR = 0.25

SETTINGS = {
    **{
        f"vjp, {n} CG preconditioned": GuidanceSettings("cg", n, prior_variance=PRIOR)
        for n in (1, 2, 4)
    },
    **{
        f"jvp, {n} CG preconditioned": GuidanceSettings("cg", n, "jvp", prior_variance=PRIOR)
        for n in (2,)
    },
    **{f"vjp, {n} CG": GuidanceSettings("cg", n) for n in (2, 4, 8)},
    **{f"jvp, {n} CG": GuidanceSettings("cg", n, "jvp") for n in (2, 8)},
    "vjp, 2 BiCGStab": GuidanceSettings("bicgstab", 2),
    "vjp, 1 BiCGStab preconditioned": GuidanceSettings("bicgstab", 1, prior_variance=PRIOR),
}


class Setting:
    """Some members of temp_4deg at one cycle."""

    def __init__(self) -> None:
        experiment = Experiment(change(load_scenario("dry_temp_4deg"), cycles=1))
        problem, twin = experiment.problem, experiment.twin
        self.model: Any = problem.model
        self.network, self.x = problem.network, twin.initial(MEMBERS)
        self.y, time = twin.observation(1).y, jnp.asarray(twin.times[1])
        self.context = jax.jit(self.model.condition)(self.x, time)
        keys = jax.random.split(jax.random.key(0), MEMBERS)
        self.noise = jax.jit(jax.vmap(self.model.noise))(keys)
        sampler = self.model.sampler
        start = draw.Start(keys, self.x, self.context)
        self.target = draw.expected_target(start, self.model, time, sampler, MEMBERS)
        settings, network = GuidanceSettings(prior_variance=PRIOR), self.network
        self.condition = prepare(
            self.model, network.h, network.error_std, settings, self.x
        )._replace(y=self.y)

    def z(self, sigma: float) -> Float[Array, "member target"]:
        """A forecast's target, as noisy as the level wants it."""
        return self.target + jnp.asarray(sigma, self.x.dtype) * self.noise

    def guided(self, settings: GuidanceSettings) -> Any:
        """(sigma, z) -> D_y."""
        condition = self.condition._replace(settings=settings)
        if not settings.prior_variance:
            condition = condition._replace(preconditioner=None)

        def evaluate(sigma: Array, z: Array) -> Array:
            denoise = self.model.denoiser(sigma)
            return posterior_mean(
                self.model,
                condition,
                lambda z: denoise(z, self.context),
                sigma,
                z,
                self.x,
            )[0]

        return evaluate

    def forward(self, sigma: Array, z: Array) -> Array:
        """D alone."""
        return self.model.denoiser(sigma)(z, self.context)


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """All settings at a level where guidance starts and at a low one (the first alone if quick)."""
    setting = Setting()
    for level in SIGMAS[:1] if quick else SIGMAS:
        yield from _at(setting, level, rounds)


def _at(setting: Setting, level: float, rounds: int) -> list[Row]:
    sigma, z = jnp.asarray(level, jnp.float32), setting.z(level)
    functions = {"forward": setting.forward}
    functions |= {name: setting.guided(settings) for name, settings in SETTINGS.items()}
    candidates, notes = {}, {}
    for name, f in functions.items():
        compiled, used = temporary_bytes(f, sigma, z)
        candidates[name] = lambda compiled=compiled: compiled(sigma, z)
        notes[name] = {"MiB": round(used / 2**20, 1)}
    found = race(f"guided step, {MEMBERS} members, sigma {level:g}", candidates, rounds, notes)
    return [_with_cost(row) for row in found]


def _with_cost(row: Row) -> Row:
    row.notes["forwards"] = round(1 / row.ratio, 2)
    return row
