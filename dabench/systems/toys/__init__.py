"""Small systems with known answers: linear_gaussian (exact posterior), lorenz63, lorenz96.

additive_gaussian   additive Gaussian model error, as a diffusion model with an exact denoiser
ode                 truth, climate and initial members of a system of differential equations
"""
