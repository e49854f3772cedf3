"""The guarded solvers against LAPACK, and against matrices that no covariance would give."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.diffusion.krylov import solve

SOLVERS = ["cg", "bicgstab"]


def operator(A, B):
    """u -> (A u, B u) for every member."""
    return lambda u: (jnp.einsum("mij,mj->mi", A, u), jnp.einsum("mij,mj->mi", B, u))


@partial(jax.jit, static_argnames=("method", "iterations"))
def solved(A, B, b, method, iterations):
    return solve(operator(A, B), b, method, iterations)


@partial(jax.jit, static_argnames=("members", "size"))
def covariance_problem(key, members=5, size=8, condition=1e3):
    """A = I + (a covariance), eigenvalues from 1 to `condition`; b ~ N(0, A), B is arbitrary."""
    keys = jax.random.split(key, 3)
    U = jnp.linalg.qr(jax.random.normal(keys[0], (members, size, size)))[0]
    A = (U * jnp.geomspace(1, condition, size)[None, None]) @ U.mT
    B = jax.random.normal(keys[1], (members, 3, size))
    white = jax.random.normal(keys[2], (members, size, 1))
    return A, B, (jnp.linalg.cholesky(A) @ white)[..., 0]


@pytest.mark.parametrize("method", SOLVERS)
def test_as_many_steps_as_unknowns_solve_the_system(method, key):
    A, B, b = covariance_problem(key, condition=30.0)
    solution = solved(A, B, b, method, 8)
    expected = np.einsum("mij,mj->mi", B, np.linalg.solve(A, b[..., None])[..., 0])
    # A solve ends at a relative residual of sqrt(eps) = 1.5e-8; |A⁻¹| = 1, |B| and |b| < 10
    np.testing.assert_allclose(solution.image, expected, rtol=0, atol=1.5e-6)
    assert not solution.guarded.any()
    assert (solution.residual < 1.5e-8).all()


@pytest.mark.parametrize("method", SOLVERS)
def test_more_steps_than_needed_change_nothing_and_are_not_called_guarded(method, key):
    A, B, b = covariance_problem(key, condition=30.0)
    enough, more = solved(A, B, b, method, 9), solved(A, B, b, method, 40)
    np.testing.assert_allclose(more.image, enough.image, rtol=0, atol=1.5e-6)
    assert not more.guarded.any()


def test_one_cg_step_is_steepest_descent(key):
    A, B, b = covariance_problem(key)
    solution = solved(A, B, b, "cg", 1)
    bAb = np.einsum("mi,mij,mj->m", b, A, b)
    u = (np.sum(b**2, -1) / bAb)[:, None] * b
    np.testing.assert_allclose(solution.image, np.einsum("mij,mj->mi", B, u), rtol=1e-10)


def test_one_gmres_step_leaves_the_smallest_residual_along_b(key):
    A, B, b = covariance_problem(key)
    A = A + 0.3 * (jnp.triu(A) - jnp.triu(A).mT)  # GMRES does not ask for symmetry
    solution = solved(A, B, b, "gmres1", 1)
    Ab = np.einsum("mij,mj->mi", A, b)
    u = (np.sum(b * Ab, -1) / np.sum(Ab**2, -1))[:, None] * b
    np.testing.assert_allclose(solution.image, np.einsum("mij,mj->mi", B, u), rtol=1e-10)
    left = np.linalg.norm(b - np.einsum("mij,mj->mi", A, u), axis=1)
    np.testing.assert_allclose(solution.residual, left / np.linalg.norm(b, axis=1), rtol=1e-10)


@pytest.mark.parametrize("method", [*SOLVERS, "gmres1"])
@pytest.mark.parametrize(
    "kind", ["asymmetric", "indefinite", "negative", "rotation", "huge", "nan"]
)
def test_no_matrix_makes_a_solve_blow_up(method, kind):
    rng, members, size = np.random.default_rng(0), 50, 6
    noise = rng.normal(size=(members, size, size))
    skew, eye = noise - noise.swapaxes(1, 2), np.eye(size)[None]
    A = {
        "asymmetric": eye + 3 * noise,
        "indefinite": (noise + noise.swapaxes(1, 2)) / 2,
        "negative": -eye - noise @ noise.swapaxes(1, 2),
        "rotation": skew,
        "huge": 1e160 * (eye + noise),
        "nan": np.full_like(noise, np.nan),
    }[kind]
    b = rng.normal(size=(members, size))
    solution = solved(A, np.broadcast_to(np.eye(size), A.shape), b, method, 10)
    assert np.isfinite(solution.image).all()
    assert (solution.residual <= 2).all()
    if kind != "nan":
        residual = b - np.einsum("mij,mj->mi", A, solution.image)
        relative = np.linalg.norm(residual, axis=-1) / np.linalg.norm(b, axis=-1)
        if kind != "huge":  # where forming b - A u anew loses everything to rounding
            np.testing.assert_allclose(relative, solution.residual, rtol=1e-6, atol=1e-6)
    if kind in ("negative", "nan"):
        assert solution.guarded.all()
        np.testing.assert_array_equal(solution.image, 0)


@pytest.mark.parametrize("method", SOLVERS)
def test_a_guarded_member_leaves_the_others_alone(method, key):
    A, B, b = covariance_problem(key)
    good = solved(A, B, b, method, 3)
    mixed = solved(A.at[2].set(jnp.nan), B, b.at[3].set(0), method, 3)
    others = np.array([0, 1, 4])
    np.testing.assert_allclose(mixed.image[others], good.image[others], rtol=1e-12)
    np.testing.assert_array_equal(mixed.image[2:4], 0)
    assert mixed.guarded[2]
    assert not mixed.guarded[3]


def test_without_guards_two_steps_are_those_of_the_textbook(key):
    """Against JAX's own BiCGStab, one system after the other, and no covariance."""
    members, size = 4, 9
    keys = jax.random.split(key, 2)
    A = jnp.eye(size)[None] + jax.random.normal(keys[0], (members, size, size))
    b = jax.random.normal(keys[1], (members, size))
    unit = jnp.broadcast_to(jnp.eye(size), A.shape)
    ours = jax.jit(lambda A, b: solve(operator(A, unit), b, "bicgstab", 2, floor=None))
    jaxs = jax.jit(lambda A, b: jax.scipy.sparse.linalg.bicgstab(A, b, maxiter=2, tol=1e-10)[0])
    solution = ours(A, b)
    for matrix, right, ours in zip(A, b, solution.image, strict=True):
        theirs = jaxs(matrix, right)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())
    assert not solution.guarded.any()


def test_units_change_neither_the_solution_nor_the_guards_of_conjugate_gradients(key):
    A, B, b = covariance_problem(key, condition=30.0)
    unit = jnp.geomspace(0.5, 2, b.shape[1])[None]
    scaled = operator(A / unit[..., None] / unit[:, None], B / unit[:, None])
    plain = solve(operator(A, B), b, "cg", 40)
    other = solve(scaled, b / unit, "cg", 40, floor=1 / unit[0] ** 2)
    np.testing.assert_allclose(other.image, plain.image, rtol=0, atol=1e-5)
    assert not other.guarded.any()
