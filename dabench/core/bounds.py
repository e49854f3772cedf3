"""Numbers that scenarios and methods take: every kind has two bounds, and a reason for them."""

from typing import Annotated

from annotated_types import Ge, Le

Positive = Annotated[float, Ge(1e-9), Le(1e9)]
"""Standard deviations, scales and factors.

The square of one is a float32 (1e-38 to 3e38), and so is the square of a departure of 1e5 units,
which the pressure at the ground has, over it.
"""

NotNegative = Annotated[float, Ge(0), Le(1e9)]
"""The same, or nothing of it."""

Number = Annotated[float, Ge(-1e9), Le(1e9)]
"""Parameters of dynamics, whose products are float32."""

Times = Annotated[int, Ge(1), Le(1_000_000)]
"""How often something is done in a cycle; a million times a second's thousandth is a quarter of an
hour, and nobody waits for more."""

TimesOrNever = Annotated[int, Ge(0), Le(1_000_000)]
"""The same, or not at all."""

Kilometres = Annotated[float, Ge(1), Le(20_015)]
"""Length scales on the sphere: places in float32 are known to half a metre, so that the taper of a
kilometre is right to a thousandth; half way round the Earth nothing is beyond reach."""

Sites = Annotated[float, Ge(0.1), Le(1e6)]
"""Length scales in sites: below .27 of one a taper ends before the neighbour, and no system has
more than a million."""

LogPressure = Annotated[float, Ge(0.01), Le(100)]
"""Length scales in ln p, which is 11.5 from the ground to 0.01 hPa; levels of models are more than
.01 apart."""

Level = Annotated[float, Ge(0.001), Le(1100)]
"""Pressures in hPa: from the top of any model to the ground of a deep valley."""
