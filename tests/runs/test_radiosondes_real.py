"""The scenario of real radiosondes, as far as it goes without files that are to be fetched."""

from collections import Counter

from dabench.observe.network import networks
from dabench.scenario.load import load_scenario
from dabench.scenario.values import find, read_table
from dabench.systems import make


def test_the_real_soundings_fit_gencast():
    scenario = load_scenario("era5/radiosondes_real")
    assert not scenario.has_truth
    assimilated, withheld = networks(scenario, make.layout(scenario), make.cycle_seconds(scenario))
    table = read_table(find("era5/radiosondes_2008-12-08.parquet"))
    assert table.digest == scenario.observations[0].locations.sha256
    places = {*zip(table.latitude, table.longitude, strict=True)}
    assert len(places) == 416
    assert assimilated.size + withheld.size == 16168
    levels = Counter(assimilated.table["level"])
    assert set(levels) <= {50, 100, 150, 200, 250, 300, 400, 500, 700, 850, 925, 1000}
    assert assimilated.present(1).all()  # all of one time
