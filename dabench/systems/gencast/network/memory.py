"""Memory of the members that are in the network at once."""

import numpy as np

from dabench.core.memory import free_bytes
from dabench.systems.gencast.checkpoint import Config
from dabench.systems.gencast.network.denoiser import DenoiserNetwork
from dabench.systems.gencast.network.size import Size

SHARE = 0.25  # of the free memory; the rest is the ensemble's, the truth's, and what members share
MOST = 16  # members at once, whatever the memory: more are no faster

# Arrays that a linearised step keeps of each node, edge or layer, as wide as its latent features:
# fitted to XLA's own account of compiled steps on a CPU, with which the tests compare.
GRID_ARRAYS = 20  # a grid node
EDGE_ARRAYS = 8  # an edge between grid and mesh
LAYER_ARRAYS = 12  # a mesh node in a layer of the transformer
FEEDFORWARD_ARRAYS = 4  # the same, as wide as the layer's feed-forward part


def members_at_once(network: DenoiserNetwork) -> int:
    """Number of members whose guided step fits, as `fitting` has it."""
    return fitting(member_bytes(network))


def fitting(step_bytes: float) -> int:
    """Number of members, 1 to `MOST`, whose guided step fits in `SHARE` of the free memory.

    Arguments:
        step_bytes: Bytes of the guided step of one member.
    """
    return int(np.clip(SHARE * free_bytes() / step_bytes, 1, MOST))


def member_bytes(network: DenoiserNetwork) -> float:
    """Bytes that one member keeps of a network that is linearised, as `linearised_bytes`."""
    to_mesh, to_grid = (
        len(edges.senders) for edges in (network.graph.grid2mesh, network.graph.mesh2grid)
    )
    size = Size(network.grid_nodes, network.mesh_nodes, to_mesh, to_grid, attended=0)
    return linearised_bytes(network.config, size)


def linearised_bytes(config: Config, size: Size) -> float:
    """Bytes that one member keeps of a network that is linearised, whatever the precision.

    Activations are kept at every layer, and attention's are computed again.
    """
    network = config.denoiser_architecture_config
    transformer, width = network.sparse_transformer_config, network.latent_size
    layer = LAYER_ARRAYS * width + FEEDFORWARD_ARRAYS * transformer.ffw_hidden
    numbers = (
        GRID_ARRAYS * width * size.grid
        + EDGE_ARRAYS * width * (size.grid2mesh + size.mesh2grid)
        + transformer.num_layers * layer * size.mesh
    )
    return 4 * numbers
