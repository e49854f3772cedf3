"""A benchmark of data assimilation with diffusion forecast models.

Notation inside algorithms (words with units at the edges: YAML, command line, archive):

    k  assimilation cycle       x   one member, current cycle       y   observation
    n  number of members        x'  next cycle (x_next in code)     h   observation operator
    w  weights, sum to one      z   noisy x', normalised            R   observation-error covariance
    D  denoiser E[x' | z]       J   its Jacobian dD/dz              C   covariance of the noise
    sigma  noise level of z; the letter t is kept for physical time, never diffusion time
"""

__version__ = "0.1.0"
