"""The look-ahead of the auxiliary particle filter: how well each member forecasts y."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dabench.core.errors import UserError
from dabench.core.types import Time
from dabench.diffusion import draw
from dabench.diffusion.batches import batch_by_batch
from dabench.diffusion.evidence import log_evidence
from dabench.diffusion.guidance import DENSE_LIMIT, Condition
from dabench.diffusion.model import DiffusionModel, Sampler
from dabench.filters.base import Problem
from dabench.filters.particles.weights import log_likelihood
from dabench.observe.network import Network, Observation

LookAhead = Callable[
    [draw.Start, Time, Condition], tuple[Float[Array, "member"], Float[Array, "member obs"]]
]
"""(members, time, condition) -> (log p(y | x) up to a constant, h of the mean of x')."""


def look_ahead_of(
    weight: str, rank: int | None, local: bool
) -> Callable[[Problem, DiffusionModel, Sampler], LookAhead]:
    """The maker of one kind of weight; UserError for settings that it has no use for."""
    if local and weight != "dirac":
        raise UserError("filter.local has weights of its own: leave out filter.weight")
    if weight == "gaussian":
        return partial(gaussian, rank=rank)
    if rank is not None:
        raise UserError(f"filter.rank: {rank} is of weight: gaussian; leave it out, or set that")
    return dirac


def dirac(problem: Problem, model: DiffusionModel, sampler: Sampler) -> LookAhead:
    """p(y | x) ~ N(y; h(mu), R), as if the forecast had no spread (the paper's equation 7)."""
    network = problem.network

    def look_ahead(start: draw.Start, time: Time, condition: Condition):
        z = draw.expected_target(start, model, time, sampler, problem.batch)
        hx = jax.vmap(network.h)(model.next_state(z, start.x))
        return log_likelihood(hx, Observation(time, condition.y, condition.present), network), hx

    return look_ahead


def gaussian(
    problem: Problem, model: DiffusionModel, sampler: Sampler, rank: int | None = None
) -> LookAhead:
    """p(y | x) ~ N(y; h(mu), R + H V Hᵀ), V = Cov[target | pure noise] by Tweedie's formula."""
    if rank is None:
        _fits_dense(problem.network)

    def look_ahead(start: draw.Start, time: Time, condition: Condition):
        sigma = jnp.asarray(sampler.sigma_max, start.x.dtype)
        denoise = model.denoiser(sigma)

        def one_batch(start: draw.Start):
            z = sigma * jax.vmap(model.noise)(start.key)
            context = draw.context_of(model, start, time)
            log_p, D = log_evidence(
                model, condition, lambda z: denoise(z, context), sigma, z, start.x, rank
            )
            return log_p, jax.vmap(problem.network.h)(model.next_state(D, start.x))

        return batch_by_batch(one_batch, start, problem.batch)

    return look_ahead


def _fits_dense(network: Network) -> None:
    if network.size > DENSE_LIMIT:
        raise UserError(
            f"weight: gaussian takes up to {DENSE_LIMIT} observations without a rank and this "
            f"scenario has {network.size}; set rank: 64, say, or use weight: dirac"
        )


def look_ahead_products(network: Network, weight: str, rank: int | None) -> int:
    """Jacobian products of one look-ahead."""
    if weight == "dirac":
        return 0
    return network.size if rank is None or rank >= network.size else 2 * rank
