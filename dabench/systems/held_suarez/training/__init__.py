"""What is particular to making the dry atmosphere: its dynamics, its channels, its recipe."""
