import numpy as np
import pytest
from gencast_small import CONFIG, TASK, random_params, with_network

from dabench.core.errors import UserError
from dabench.systems.gencast import channels, checkpoint
from dabench.systems.gencast.checkpoint import Checkpoint, SamplerConfig, TaskConfig


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.npz"


def test_what_is_saved_is_loaded(path):
    config = with_network(grid2mesh_aggregate_normalization=2.5, node_output_size=None)
    metadata = {"training_grid_size": 4140, "settings": '{"seed": 1}', "std": np.arange(3.0)}
    params = random_params(config, np.float32)
    checkpoint.save(path, Checkpoint(params, config, "described", "CC BY 4.0", metadata))
    loaded = checkpoint.load(path)
    assert loaded.config == config
    assert loaded.config.sampler_config == SamplerConfig()
    assert (loaded.description, loaded.license) == ("described", "CC BY 4.0")
    assert loaded.metadata["training_grid_size"] == 4140
    np.testing.assert_array_equal(loaded.metadata["std"], metadata["std"])
    assert loaded.params.keys() == params.keys()
    for module, arrays in params.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded.params[module][name], array)


def test_the_file_needs_no_pickle_and_has_the_published_keys(path):
    checkpoint.save(path, Checkpoint(random_params(CONFIG, np.float32), CONFIG))
    with np.load(path, allow_pickle=False) as file:
        keys = set(file.files)
        assert file["task_config:pressure_levels:1"].item() == 850
        assert file["denoiser_architecture_config:sparse_transformer_config:num_heads"].item() == 3
    assert "params:mesh_transformer/~/transformer/block_00/mha_final:b" in keys
    assert "denoiser_architecture_config:norm_conditioning_features:0" in keys
    assert not any("node_output_size" in key for key in keys)  # None is left out


def test_the_same_content_makes_the_same_file(path, tmp_path):
    content = Checkpoint(random_params(CONFIG, np.float32), CONFIG, metadata={"a": 1})
    checkpoint.save(path, content)
    checkpoint.save(tmp_path / "again.npz", checkpoint.load(path))
    assert path.read_bytes() == (tmp_path / "again.npz").read_bytes()


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_checkpoint_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a readable npz checkpoint"):
        checkpoint.load(path)


def test_an_incomplete_checkpoint_is_refused(path):
    np.savez(path, a=np.zeros(2))
    with pytest.raises(UserError, match="not a GenCast checkpoint"):
        checkpoint.load(path)
    with pytest.raises(UserError, match="not a readable"):
        checkpoint.load(path.with_name("nowhere.npz"))


def test_a_pickled_array_is_never_loaded(path):
    np.savez(path, params=np.array([object()]))
    with pytest.raises(UserError, match="not a readable npz checkpoint"):
        checkpoint.load(path)


def test_full_task_stacks_the_published_channels():
    """267 first-layer rows with the three structural ones, 84 outputs, rows as published."""
    surface = (
        "10m_u_component_of_wind",
        "10m_v_component_of_wind",
        "2m_temperature",
        "mean_sea_level_pressure",
        "sea_surface_temperature",
    )
    dynamic, clock = (*surface, *sorted(channels.ATMOSPHERIC)), tuple(channels.CLOCK)
    task = TaskConfig(
        (*dynamic, *clock, *channels.STATIC),
        (*dynamic, "total_precipitation_12hr"),
        clock,
        (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000),
    )
    inputs, union = channels.inputs(task), channels.forcings_and_targets(task)
    assert (len(inputs), len(union), len(channels.targets(task))) == (176, 88, 84)
    assert str(inputs[23]) == "geopotential:t+0h:p50"
    assert str(inputs[36]) == "geopotential_at_surface"
    assert [union[i].name for i in (3, 46, 87)] == [
        "day_progress_cos",
        "total_precipitation_12hr",
        "year_progress_sin",
    ]


def test_input_duration_counts_frames():
    assert channels.frames(TASK) == 2
    assert channels.frames(TaskConfig((), (), input_duration="12h")) == 1
    assert channels.frames(TaskConfig((), (), input_duration="1D")) == 2
