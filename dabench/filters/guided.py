"""Guidance without weights: every member draws from its own optimal proposal."""

from jaxtyping import Array, Key

from dabench.diffusion import draw
from dabench.diffusion.guidance import GuidanceSettings
from dabench.diffusion.model import Sampler
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.forecast import condition_on, diffusion_model
from dabench.observe.network import Observation

DEFAULT = GuidanceSettings()
SEARCH_SPACE = {
    "guidance.iterations": "1..6 whole",
    "guidance.sigma_guide": "1..80 log",
}
"""Settings that `dabench tune` searches."""


def guided(
    problem: Problem, *, sampler: Sampler | None = None, guidance: GuidanceSettings = DEFAULT
) -> Filter:
    """x' ~ p(x' | x, y) for every member, unweighted: what the weights of FA-APF add shows here.

    Biased wherever p(y | x) differs between members.

    Arguments:
        sampler: Sampler of the draws; null is the model's own.
        guidance: How draws are conditioned on y.
    """
    model = diffusion_model(problem.model)
    sampler = sampler or model.sampler
    condition = condition_on(problem, guidance)

    def step(key: Key[Array, ""], ens: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        keys, _ = split_key(key, len(ens.x))
        condition_y = condition._replace(y=obs.y, present=obs.present)
        x_next, counts = draw.members(
            keys, model, ens.x, obs.time, sampler, problem.batch, condition_y
        )
        return Ensemble(x_next), Info(**counts)

    return Filter(Ensemble, step)
