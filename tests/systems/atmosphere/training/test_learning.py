"""Training, on a network small enough to train within a test."""

import dataclasses

import jax
import numpy as np
import pytest

pytest.importorskip("optax")

from dabench.systems.atmosphere.training import frames as training_frames
from dabench.systems.atmosphere.training import learning, pairs, state
from dabench.systems.held_suarez.channels import HELD_SUAREZ, ground
from dabench.systems.held_suarez.files import FILES


def tiny_config():
    config = learning.network_config(HELD_SUAREZ)
    size = config.denoiser_architecture_config
    transformer = dataclasses.replace(
        size.sparse_transformer_config, d_model=8, num_layers=1, num_heads=2, ffw_hidden=8
    )
    size = dataclasses.replace(
        size, sparse_transformer_config=transformer, mesh_size=1, latent_size=8
    )
    return dataclasses.replace(config, denoiser_architecture_config=size)


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    member = np.cumsum(rng.standard_normal((8, 24, 1024)), axis=0).astype(np.float32)
    return pairs.TrainingFrames([member], training_frames.statistics([member]), np.eye(24))


@pytest.fixture(scope="module")
def trainer():
    settings = state.TrainSettings(
        steps=12, batch=2, warmup=1, peak_rate=1e-2, save_every=4, validate_every=12
    )
    return learning.Trainer(settings, tiny_config(), ground(FILES), np.eye(24), 5.0)


def test_rate_rises_stays_and_falls_to_zero():
    settings = state.TrainSettings(steps=1000, peak_rate=1.0, warmup=10, decay_share=0.25)
    rates = [float(settings.rate(step)) for step in (0, 9, 500, 750, 875, 1000)]
    np.testing.assert_allclose(rates, [0.1, 1, 1, 1, 0.5, 0], atol=1e-6)


def test_targets_have_unit_variance_in_every_channel(frames):
    target = frames.pairs(np.arange(len(frames))).target
    variance = (target**2).sum(-1).mean(0) / (4 * np.pi)
    np.testing.assert_allclose(variance, 1, rtol=0.1)  # seven of the eight differences' mean


def test_the_target_leads_from_erroneous_inputs_to_the_true_next_frame(frames):
    clean, batch = (frames.draw(0, 5, 4, size) for size in ((1e-9, 1e-8), (0.5, 0.5)))
    clean, batch = (jax.tree.map(np.asarray, b) for b in (clean, batch))
    error = (batch.now - clean.now) * frames.scale
    np.testing.assert_allclose(batch.target, clean.target - error, atol=2e-5)
    variance = (error**2).sum(-1).mean() / (4 * np.pi)
    np.testing.assert_allclose(np.sqrt(variance), 0.5, rtol=0.2)
    share = np.median((batch.previous - clean.previous) * frames.scale / error, (1, 2))[
        :, None, None
    ]
    assert np.all((share > 0) & (share < 1))
    earlier = clean.previous + share * (batch.now - clean.now)
    np.testing.assert_allclose(batch.previous, earlier, atol=1e-4)


def test_steps_on_one_batch_reduce_its_loss(trainer, frames):
    batch, key = frames.draw(0, 0, 2, (0.03, 1.0)), jax.random.key(0)
    now, losses = trainer.start(), []
    for _ in range(10):
        now, value = trainer.update(now, batch, key)
        losses.append(float(value))
    assert losses[-1] < losses[0]  # the same batch, noise and levels: nothing random between


def test_resumed_training_ends_with_the_same_bits(trainer, frames, tmp_path):
    whole = learning.fit(trainer, frames, frames, tmp_path / "whole")

    class Stop(Exception):
        pass

    class Interrupted(pairs.TrainingFrames):
        def draw(self, seed, step, size, error):
            if step == 6:
                raise Stop
            return super().draw(seed, step, size, error)

    broken = Interrupted.__new__(Interrupted)
    broken.__dict__.update(frames.__dict__)
    with pytest.raises(Stop):
        learning.fit(trainer, broken, frames, tmp_path / "broken")
    resumed = learning.fit(trainer, frames, frames, tmp_path / "broken")
    assert int(resumed.step) == 12
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True):
        np.testing.assert_array_equal(a, b)
    rows = [(tmp_path / name / "validation.csv").read_text() for name in ("whole", "broken")]
    strip = [[",".join(r.split(",")[4:]) for r in text.splitlines()] for text in rows]
    assert strip[0] == strip[1]  # the columns before are timings and means since the last start
