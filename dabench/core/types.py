"""Names for the shapes of keys, members and times."""

from jaxtyping import Array, Float, Key, Num

Keys = Key[Array, "member"]
"""Random keys, one for each member."""

Members = Float[Array, "member state"]
"""Members of an ensemble, in physical units."""

Time = Num[Array, ""]
"""Valid time in seconds."""
