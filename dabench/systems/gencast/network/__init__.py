"""GenCast's denoiser as a function of arrays: encoder, transformer on the mesh, decoder.

mesh, graph  the geometry                       faces       which face a grid node is on, and ties
search_tree  the orders that break ties         attention   on the mesh, within a number of hops
layers       what encoder and decoder are of    blocks      attention in blocks, for memory
parameters   the arrays of a checkpoint         denoiser    all of it: D(z, sigma)
"""
