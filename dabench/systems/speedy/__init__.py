"""SPEEDY's atmosphere over the Earth's coasts and mountains, with a small GenCast."""
