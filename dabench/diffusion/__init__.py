"""Diffusion models: what they are, how they are drawn from, how draws are conditioned on y.

model      the protocol of a diffusion forecast model     samplers       noise levels and steps
draw       draws of x' from p(x' | x), or given y         guidance       the posterior denoiser
krylov     its linear solves                              precondition   what makes few steps enough
batches    members a few at a time
"""
