"""Names for the shapes of keys, members and times, and for positive settings."""

from typing import Annotated

from annotated_types import Gt
from jaxtyping import Array, Float, Key, Num

Keys = Key[Array, "member"]


Members = Float[Array, "member state"]


Time = Num[Array, ""]


Positive = Annotated[float, Gt(0)]
