"""Fields on the sphere: spherical harmonics, and isotropic noise made of them."""
