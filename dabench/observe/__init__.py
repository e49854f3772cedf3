"""What is observed: the network of a scenario, its operator h, its noise, and y made from truth.

network     observations, the operator h, noise and y      operators   what an instrument measures
stations    where the instruments are                      withheld    what no method is given
"""

from dabench.observe.network import Network, Observation

__all__ = ["Network", "Observation"]
