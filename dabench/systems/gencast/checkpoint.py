"""GenCast's checkpoint files: configuration and parameters in one npz, without pickle.

The nested content is flattened to keys joined by ":"; elements of a sequence have their index as
key, absent values are left out (GenCast specification, section 6).
"""

import dataclasses
import types
import typing
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dabench.core.errors import UserError

Params = dict[str, dict[str, Any]]
"""Module path -> {"w": (in, out), "b": (out,)}."""


@dataclass(frozen=True)
class TaskConfig:
    """Which variables go in and come out; `input_duration` covers frames 12 hours apart."""

    input_variables: tuple[str, ...]
    target_variables: tuple[str, ...]
    forcing_variables: tuple[str, ...] = ()
    pressure_levels: tuple[int, ...] = ()
    input_duration: str = "24h"


@dataclass(frozen=True)
class TransformerConfig:
    """The transformer on the mesh; fields about attention kernels are kept but not used here."""

    attention_k_hop: int
    d_model: int
    num_layers: int = 16
    num_heads: int = 4
    attention_type: str = "splash_mha"
    mask_type: str = "lazy"
    block_q: int = 1024
    block_kv: int = 512
    block_kv_compute: int = 256
    block_q_dkv: int = 512
    block_kv_dkv: int = 1024
    block_kv_dkv_compute: int = 1024
    ffw_winit_final_mult: float = 0.0
    attn_winit_final_mult: float = 0.0
    ffw_hidden: int = 2048
    name: str | None = None


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes of the network; `grid2mesh_aggregate_normalization` divides the sums on the mesh."""

    sparse_transformer_config: TransformerConfig
    mesh_size: int
    latent_size: int = 512
    hidden_layers: int = 1
    radius_query_fraction_edge_length: float = 0.6
    norm_conditioning_features: tuple[str, ...] = ("noise_level_encodings",)
    grid2mesh_aggregate_normalization: float | None = None
    node_output_size: int | None = None


@dataclass(frozen=True)
class SamplerConfig:
    """DPM-Solver++ 2S with churn, as the model's authors run it."""

    max_noise_level: float = 80.0
    min_noise_level: float = 0.03
    num_noise_levels: int = 20
    rho: float = 7.0
    stochastic_churn_rate: float = 2.5
    churn_min_noise_level: float = 0.75
    churn_max_noise_level: float = float("inf")
    noise_level_inflation_factor: float = 1.05


@dataclass(frozen=True)
class NoiseConfig:
    """Distribution of noise levels in training."""

    training_noise_level_rho: float = 7.0
    training_max_noise_level: float = 88.0
    training_min_noise_level: float = 0.02


@dataclass(frozen=True)
class NoiseEncoderConfig:
    """Fourier features of the noise level and the layers after them."""

    apply_log_first: bool = True
    base_period: float = 16.0
    num_frequencies: int = 32
    output_sizes: tuple[int, ...] = (32, 16)


@dataclass(frozen=True)
class Config:
    """All that a checkpoint says about its network except the numbers in it."""

    task_config: TaskConfig
    denoiser_architecture_config: DenoiserConfig
    sampler_config: SamplerConfig = field(default_factory=SamplerConfig)
    noise_config: NoiseConfig = field(default_factory=NoiseConfig)
    noise_encoder_config: NoiseEncoderConfig = field(default_factory=NoiseEncoderConfig)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained network.

    Arguments:
        params: Module path -> array name -> float32 array.
        metadata: Anything of ours, as scalars and strings (`training_grid_size`, provenance);
            official files have none, and readers of official files pass over it.
    """

    params: Params
    config: Config
    description: str = ""
    license: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint; UserError if the file is missing or is not one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            tree = _unflatten({key: file[key] for key in file.files})
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a readable npz checkpoint ({error})") from error
    try:
        config = {f.name: tree[f.name] for f in dataclasses.fields(Config) if f.name in tree}
        return Checkpoint(
            tree["params"],
            _read(Config, config),
            **{name: _scalar(tree[name]) for name in ("description", "license") if name in tree},
            metadata={name: _scalar(value) for name, value in tree.get("metadata", {}).items()},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a GenCast checkpoint, {error}") from error


def save(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint that `load` and DeepMind's own reader understand."""
    tree = dataclasses.asdict(checkpoint.config) | {
        "params": checkpoint.params,
        "description": checkpoint.description,
        "license": checkpoint.license,
        "metadata": checkpoint.metadata,
    }
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=False, **_flatten(tree))


def _flatten(tree: Any, key: str = "") -> dict[str, np.ndarray]:
    if isinstance(tree, tuple):
        tree = {str(i): item for i, item in enumerate(tree)}
    if not isinstance(tree, dict):
        return {} if tree is None else {key: np.asarray(tree)}
    flat = {}
    for name, item in tree.items():
        flat |= _flatten(item, f"{key}:{name}" if key else name)
    return flat


def _unflatten(flat: dict[str, np.ndarray]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *path, name = key.split(":")
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        node[name] = value
    return tree


def _read(kind: Any, value: Any) -> Any:
    """`value` (nested dictionaries of arrays) as the annotated type `kind`."""
    if isinstance(kind, types.UnionType):  # only `X | None`, and None is never stored
        kind = typing.get_args(kind)[0]
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _read(hints[name], value[name]) for name in hints if name in value})  # pyright: ignore
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        return tuple(_read(item, value[name]) for name in sorted(value, key=int))
    return kind(_scalar(value))


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
