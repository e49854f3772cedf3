"""A few guarded steps of a Krylov solver, for many small systems side by side."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Solver = Literal["bicgstab", "cg", "gmres1"]
Operator = Callable[[Float[Array, "member obs"]], tuple[Array, Array]]
Precondition = Callable[[Float[Array, "member obs"]], Float[Array, "member obs"]]
Floor = Float[Array, "obs"] | None

FLOOR = 1e-3  # smallest Rayleigh quotient of A with which a step is taken
EXACT = 1e-10  # residual over the first residual at which an unguarded solve has converged
NEAR = 2  # largest residual of the iterate returned, over the smallest residual yet
GROWTH = 100  # residual over the first residual at which a solve is given up


class Solution(NamedTuple):
    """The result of solving A u = b.

    Arguments:
        image: B u of the last good iterate u.
        guarded: Whether a guard stopped the solve.
        residual: |b - A u| / |b| of that iterate.
    """

    image: Float[Array, "member target"]
    guarded: Bool[Array, "member"]
    residual: Float[Array, "member"]


def solve(
    apply: Operator,
    b: Float[Array, "member obs"],
    method: Solver,
    iterations: int,
    precondition: Precondition = lambda r: r,
    floor: Float[Array, "obs"] | float | None = 1.0,
) -> Solution:
    """Solve A u = b for every member, and return B u rather than u.

    A is meant to be R + (a covariance) with R diagonal, so p.A p should be at least p.R p: a step
    is taken only if it exceeds `FLOOR` of that, and a refused step ends that member's solve. The
    residual of conjugate gradients rises before it falls where A is badly conditioned (dense,
    accurate observations): the iterate returned is the last whose residual is within a factor
    `NEAR` of the smallest yet, and only one above `GROWTH` |b| ends a solve. Whatever A is, no
    guarded solve returns NaN. Members that have converged, to the root of the rounding error, stop
    without being counted; unguarded ones at a relative residual of `EXACT`.

    Arguments:
        apply: p -> (A p, B p), row by row; one product with the expensive matrix.
        b: Right-hand sides.
        method: `cg` (one product a step), `bicgstab` (two; van der Vorst 1992), or `gmres1` (one),
            GMRES that starts anew after every step: the step along the residual that leaves least.
        iterations: Number of steps.
        precondition: r -> M⁻¹ r with M symmetric, positive definite and near A.
        floor: The diagonal of R; None: no guards.
    """
    step = {"cg": _cg_step, "bicgstab": _bicgstab_step, "gmres1": _gmres1_step}[method]
    if floor is not None:
        floor = jnp.broadcast_to(jnp.asarray(floor, b.dtype), b.shape[1:])
    shape = jax.eval_shape(apply, b)[1]
    zero = jnp.zeros(shape.shape, shape.dtype)
    norm, p = _dot(b, b), precondition(b) if method == "cg" else b
    rho, guarded = _dot(b, p), jnp.zeros(len(b), bool)
    state = _State(zero, b, p, rho, norm, zero, norm, norm, norm > 0, guarded)
    tolerance = norm * (EXACT**2 if floor is None else jnp.finfo(b.dtype).eps)

    def body(_: Array, s: _State) -> _State:
        s = step(apply, precondition, b, floor, s)
        return s._replace(active=s.active & (s.square > tolerance))

    s = jax.lax.fori_loop(0, iterations, body, state)
    return Solution(s.best, s.guarded, jnp.sqrt(s.left / jnp.where(norm > 0, norm, 1)))


class _State(NamedTuple):
    image: Array
    r: Array  # residual
    p: Array  # direction
    rho: Array  # r.M⁻¹r (cg) or b.r (bicgstab)
    square: Array  # r.r
    best: Array  # image of the last good iterate
    left: Array  # r.r of that iterate
    least: Array  # smallest r.r
    active: Array
    guarded: Array


def _dot(a: Array, b: Array) -> Array:
    return jnp.sum(a * b, -1)


def _ratio(a: Array, b: Array, safe: Array) -> Array:
    """A column of a / b, and of 0 where that is not safe."""
    return jnp.where(safe, a / jnp.where(safe, b, 1), 0)[:, None]


def _step_along(mask: Array, x: Array, *terms: tuple[Array, Array]) -> Array:
    """x + sum of coefficient * direction, for the masked members alone (directions may be NaN)."""
    moved = x + sum(c * d for c, d in terms)
    return jnp.where(mask[:, None], moved, x)


def _safe(active: Array, floor: Floor, p: Array, curvature: Array) -> Array:
    """The members that may take a step along p, where p.A p is the curvature."""
    return active if floor is None else active & (curvature > FLOOR * _dot(p, floor[None] * p))


def _accept(s: _State, b: Array, floor: Floor, image: Array, r: Array, moved: Array) -> _State:
    """The state with a step taken where it left a tolerable residual, and stopped elsewhere."""
    square = _dot(r, r)
    good = moved if floor is None else moved & (square <= GROWTH**2 * _dot(b, b))
    better = good if floor is None else good & (square <= NEAR**2 * s.least)
    return s._replace(
        image=jnp.where(good[:, None], image, s.image),
        r=jnp.where(good[:, None], r, s.r),
        square=jnp.where(good, square, s.square),
        best=jnp.where(better[:, None], image, s.best),
        left=jnp.where(better, square, s.left),
        least=jnp.where(good, jnp.minimum(square, s.least), s.least),
        active=good,
        guarded=s.guarded | (s.active & ~good),
    )


def _cg_step(
    apply: Operator, precondition: Precondition, b: Array, floor: Floor, s: _State
) -> _State:
    Ap, Bp = apply(s.p)
    curvature = _dot(s.p, Ap)
    safe = _safe(s.active, floor, s.p, curvature)
    alpha = _ratio(s.rho, curvature, safe)
    image = _step_along(safe, s.image, (alpha, Bp))
    r = _step_along(safe, s.r, (-alpha, Ap))
    y = precondition(r)
    rho = _dot(r, y)
    p = y + _ratio(rho, s.rho, safe & (s.rho > 0)) * s.p
    return _accept(s, b, floor, image, r, safe)._replace(p=p, rho=rho)


def _gmres1_step(
    apply: Operator, precondition: Precondition, b: Array, floor: Floor, s: _State
) -> _State:
    p = precondition(s.r)
    Ap, Bp = apply(p)
    safe = _safe(s.active, floor, p, _dot(p, Ap))
    omega = _ratio(_dot(s.r, Ap), _dot(Ap, Ap), safe)
    image = _step_along(safe, s.image, (omega, Bp))
    return _accept(s, b, floor, image, _step_along(safe, s.r, (-omega, Ap)), safe)


def _bicgstab_step(
    apply: Operator, precondition: Precondition, b: Array, floor: Floor, s: _State
) -> _State:
    Ap, Bp = apply(precondition(s.p))
    along_b = _dot(b, Ap)
    safe = s.active
    if floor is not None:
        safe = safe & (along_b > FLOOR * floor.min() * s.rho) & (s.rho > 0)
    alpha = _ratio(s.rho, along_b, safe)
    half = _step_along(safe, s.r, (-alpha, Ap))
    half_image = _step_along(safe, s.image, (alpha, Bp))

    Ah, Bh = apply(precondition(half))
    curvature = _dot(half, Ah)
    full = _safe(safe, floor, half, curvature)
    omega = _ratio(curvature, _dot(Ah, Ah), full)
    image = _step_along(full, half_image, (omega, Bh))
    r = _step_along(full, half, (-omega, Ah))

    rho = _dot(b, r)
    beta = alpha * _ratio(rho, s.rho, full) / jnp.where(omega == 0, 1, omega)
    p = _step_along(full, r, (beta, s.p), (-beta * omega, Ap))
    after = _accept(s, b, floor, image, r, safe)
    stopped = s.active & safe & ~full & (_dot(half, half) > 0)
    return after._replace(p=p, rho=rho, active=after.active & full, guarded=after.guarded | stopped)
