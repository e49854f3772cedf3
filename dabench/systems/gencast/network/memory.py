"""Memory of the members that are in the network at once."""

import numpy as np

from dabench.core.memory import free_bytes
from dabench.systems.gencast.network.denoiser import DenoiserNetwork

SHARE = 0.25  # of the free memory; the rest is the ensemble's, the truth's, and what members share
MOST = 16  # members at once, whatever the memory: more are no faster

# Arrays that a linearised step keeps of each node, edge or layer, as wide as its latent features:
# fitted to XLA's own account of compiled steps on a CPU, with which the tests compare.
GRID_ARRAYS = 20  # a grid node
EDGE_ARRAYS = 8  # an edge between grid and mesh
LAYER_ARRAYS = 12  # a mesh node in a layer of the transformer
FEEDFORWARD_ARRAYS = 4  # the same, as wide as the layer's feed-forward part


def members_at_once(network: DenoiserNetwork) -> int:
    """Number of members, 1 to `MOST`, whose guided step fits in `SHARE` of the free memory."""
    return int(np.clip(SHARE * free_bytes() / member_bytes(network), 1, MOST))


def member_bytes(network: DenoiserNetwork) -> float:
    """Bytes that one member keeps of a network that is linearised, whatever the precision.

    Activations are kept at every layer, and attention's are computed again.
    """
    size = network.config.denoiser_architecture_config
    transformer, width = size.sparse_transformer_config, size.latent_size
    edges = len(network.graph.grid2mesh.senders) + len(network.graph.mesh2grid.senders)
    layer = LAYER_ARRAYS * width + FEEDFORWARD_ARRAYS * transformer.ffw_hidden
    numbers = (
        GRID_ARRAYS * width * network.grid_nodes
        + EDGE_ARRAYS * width * edges
        + transformer.num_layers * layer * network.mesh_nodes
    )
    return 4 * numbers
