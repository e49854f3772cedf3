"""Arithmetic of the published networks against the GenCast specification, section 8."""

import pytest

from dabench.systems.gencast import official
from dabench.systems.gencast.checkpoint import Config, DenoiserConfig, TransformerConfig
from dabench.systems.gencast.network import size

ONE_DEGREE = 181 * 360


@pytest.mark.parametrize(
    ("mesh", "hops", "teraflops"), [(4, 16, 1.37), (5, 16, 2.38), (5, 32, 3.08)]
)
def test_one_evaluation_takes_what_the_specification_counts(mesh, hops, teraflops):
    """The attention's pairs are those of a plane lattice, 3 % too many in all at 32 hops."""
    transformer = TransformerConfig(attention_k_hop=hops, d_model=512)
    config = Config(official.TASK, DenoiserConfig(transformer, mesh_size=mesh))
    operations = size.flops(config, size.expected(config, ONE_DEGREE))
    assert operations == pytest.approx(teraflops * 1e12, rel=0.03)
