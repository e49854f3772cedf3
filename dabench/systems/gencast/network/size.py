"""Sizes of a network's graphs, and the arithmetic of one evaluation, before anything is built.

GenCast specification, section 8.
"""

from typing import NamedTuple

from dabench.systems.gencast.checkpoint import Config
from dabench.systems.gencast.network import parameters

GRID2MESH = 1.57
"""Edges from grid to mesh for every grid node, with the published radius on any mesh."""
CORNERS = 3  # of the face that a grid node receives from


class Size(NamedTuple):
    """Numbers of nodes and edges.

    Arguments:
        grid, mesh: Nodes.
        grid2mesh, mesh2grid: Edges between them.
        attended: Pairs of mesh nodes within the hops of the attention.
    """

    grid: int
    mesh: int
    grid2mesh: int
    mesh2grid: int
    attended: int


def expected(config: Config, grid: int) -> Size:
    """The sizes that a configuration has with so many grid nodes, to a few per cent.

    A mesh node has 3 k (k + 1) others within k hops on a lattice of triangles, which the mesh is
    but for twelve of its nodes.
    """
    network = config.denoiser_architecture_config
    mesh, hops = 10 * 4**network.mesh_size + 2, network.sparse_transformer_config.attention_k_hop
    reach = min(1 + 3 * hops * (hops + 1), mesh)
    return Size(grid, mesh, round(GRID2MESH * grid), CORNERS * grid, mesh * reach)


def flops(config: Config, size: Size) -> float:
    """Floating-point operations of one evaluation of one member, two a multiply-add.

    These are products of matrices as the network is defined; what an implementation makes once for
    many evaluations, or leaves out, is counted too.
    """
    network = config.denoiser_architecture_config
    products = sum(_rows(x.path, size) * x.inputs * x.outputs for x in parameters.linears(config))
    layers = network.sparse_transformer_config.num_layers
    return 2 * (products + 2 * layers * size.attended * network.latent_size)


def _rows(path: str, size: Size) -> int:
    """Rows that a linear layer maps; none for a layer whose work is that of a single row."""
    if "norm_conditioning" in path or path.startswith(parameters.NOISE_ENCODER):
        return 0
    if path.startswith(f"{parameters.DECODER}/processor_nodes_0_mesh_nodes"):
        return 0  # nobody reads what it computes
    if path.startswith(parameters.TRANSFORMER) or "mesh_nodes" in path:
        return size.mesh
    if "grid_nodes" in path:
        return size.grid
    return size.grid2mesh if path.startswith(parameters.ENCODER) else size.mesh2grid
