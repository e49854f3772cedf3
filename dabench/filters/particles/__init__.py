"""What particle filters share: weights and resampling."""
