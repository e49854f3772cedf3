"""What `dabench train speedy` does: nature run, channels, network, files to ship, report."""
