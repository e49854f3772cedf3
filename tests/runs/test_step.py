"""Large arrays are given to a program; small ones, and what is computed, stay as they were."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dabench.runs.step import LARGE, Program, constants_as_arguments

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(128, 128))
INDEX = RNG.integers(0, 128, LARGE // 8)
SMALL = RNG.normal(size=128)


def step(key: Any, carry: dict[str, Any]) -> tuple[Any, Any]:
    """Refers to arrays at the top, inside of a loop and inside of another program."""
    weights = jnp.asarray(WEIGHTS)

    @jax.jit
    def inner(x):
        return jnp.tanh(weights @ x) + SMALL

    x = jax.lax.fori_loop(0, 3, lambda _, x: inner(x)[INDEX][:128], carry["x"])
    return {"x": x}, jax.random.normal(key)


def test_large_constants_become_arguments_and_the_results_are_the_same():
    arguments = jax.random.key(0), {"x": jnp.ones(128)}
    explicit, constants = constants_as_arguments(step, *arguments)
    assert all(c.nbytes >= LARGE for c in constants)
    assert {c.shape for c in constants} == {WEIGHTS.shape, INDEX.shape}

    lowered = jax.jit(explicit).lower(constants, *arguments)
    # every number of a constant takes more than one character
    assert len(lowered.as_text()) < WEIGHTS.size < len(jax.jit(step).lower(*arguments).as_text())

    program = Program(lowered.compile(), constants)
    expected, results = jax.jit(step)(*arguments), program(*arguments)
    assert jax.tree.structure(results) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(results), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    assert program.memory_analysis().argument_size_in_bytes >= WEIGHTS.nbytes + INDEX.nbytes


def test_a_program_with_other_constants_is_another_function():
    arguments = jax.random.key(0), {"x": jnp.ones(128)}
    explicit, constants = constants_as_arguments(step, *arguments)
    zero = [jnp.zeros_like(c) for c in constants]
    (carry, _) = explicit(zero, *arguments)
    np.testing.assert_allclose(carry["x"], SMALL[0])
