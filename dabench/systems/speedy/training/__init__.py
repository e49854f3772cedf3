"""What is particular to making SPEEDY's atmosphere: its dynamics, its channels, its recipe."""
