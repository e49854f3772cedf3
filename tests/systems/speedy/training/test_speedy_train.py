"""`dabench train speedy --small`, with made-up dynamics in place of jcm's."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("optax")

from dabench.cli import app
from dabench.systems.atmosphere import files, model
from dabench.systems.atmosphere.training import learning, release
from dabench.systems.speedy.system import speedy
from dabench.systems.speedy.training import recipe
from dabench.systems.sphere.harmonics import degrees

MEAN = {"temperature": 260.0, "specific_humidity": 4e-3}


class MadeUp:
    """A column like the Earth's, on which a random smooth disturbance grows and decays."""

    def __init__(self):
        degree = degrees(31)
        self.size = jnp.asarray((degree > 0) * (1.0 + degree) ** -2)
        mean = np.zeros((41, 1024))
        mean[16:24, 0] = MEAN["temperature"] * np.sqrt(4 * np.pi)
        mean[24:32, 0] = MEAN["specific_humidity"] * np.sqrt(4 * np.pi)
        mean[32:40, 0] = np.linspace(2e5, 5e3, 8) * np.sqrt(4 * np.pi)
        self.mean = mean
        scale = [1e-5] * 16 + [5.0] * 8 + [1e-3] * 8 + [500.0] * 8 + [1e-2]
        self.scale = np.array(scale)[:, None]

    def start(self, key):
        return {"x": jax.random.normal(key, (41, 1024)) * self.size[None], "step": jnp.int32(0)}

    def branch(self, state, key):
        return state | {"x": state["x"] + jax.random.normal(key, (41, 1024)) * self.size[None]}

    def frame(self, state):
        noise = jax.random.normal(jax.random.key(state["step"]), (41, 1024)) * self.size[None]
        return {"x": 0.9 * state["x"] + 0.4 * noise, "step": state["step"] + 1}

    def view(self, state):
        x = np.asarray(state["x"])
        surface = np.stack([np.full((48, 96), 285.0 + x[0, 1]), *np.full((2, 48, 96), x[1, 1])])
        return {"coefficients": self.mean + self.scale * x, "surface": surface}

    def ground(self):
        land = (np.arange(96) < 30) * np.ones((48, 1))
        return {"height": 1000.0 * land, "land": land}


def one_layer(*sizes, usual=learning.network_config):
    """The usual network with one layer of its transformer in place of four alike."""
    config = usual(*sizes)
    network = config.denoiser_architecture_config
    transformer = replace(network.sparse_transformer_config, num_layers=1)
    network = replace(network, sparse_transformer_config=transformer)
    return replace(config, denoiser_architecture_config=network)


@pytest.fixture(scope="module", autouse=True)
def single_precision():
    """Training works in it."""
    with jax.enable_x64(False):
        yield


@pytest.fixture(scope="module")
def out(tmp_path_factory, single_precision):
    folder = tmp_path_factory.mktemp("speedy")
    made_up = recipe.RECIPE._replace(dynamics=MadeUp, packages=("optax",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "RECIPE", made_up)
        patch.setattr(learning, "network_config", one_layer)
        patch.setattr(model, "SAMPLER", replace(model.SAMPLER, levels=3))
        command = ["train", "speedy", "--out", str(folder), "--small"]
        result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder


@pytest.mark.slow
def test_all_files_are_there_and_make_a_system(out):
    folder = out / "files"
    names = {*release.shipped_members(), files.WEIGHTS, files.CALIBRATION, files.GROUND}
    names |= {files.PROVENANCE}
    assert names <= {path.name for path in folder.iterdir()}
    assert (folder / "report.png").read_bytes()[:4] == b"\x89PNG"
    system = speedy(files=str(folder))
    states = [system.layout.now(system.truth(seed, 0))[0] for seed in range(6)]
    np.testing.assert_array_equal(states[0], states[5])  # five stretches
    assert np.abs(states[0] - states[1]).max() > 0
    means = {c.name: states[0][i].mean() for i, c in enumerate(system.layout.channels)}
    assert abs(means["temperature"] - MEAN["temperature"]) < 30  # the made-up one is isothermal
    land = system.layout.land.mean()
    assert 0.2 < land < 0.45


@pytest.mark.slow
def test_the_report_says_of_every_criterion_whether_it_is_met(out):
    tables = json.loads((out / "files" / "report.json").read_text())
    assert {row["met"] for row in tables["acceptance"]} <= {"yes", "no"}
    assert len(tables["skill"]) == 39
    assert (out / "files" / "report.md").read_text().count("\n## ") == len(tables)


@pytest.mark.slow
def test_provenance_says_what_each_file_holds(out):
    about = json.loads((out / "files" / files.PROVENANCE).read_text())
    assert set(about["data"]) == set(release.shipped_members())
    assert about["training"]["steps"] == about["size"]["steps"] == 4
