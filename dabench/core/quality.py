"""Quality control: why a value is kept from a method, as whole numbers in archives."""

USED, BACKGROUND, BUDDY = 0, 1, 2
"""A value is used, or it fails the background check or the buddy check."""

FLAGS = {"used": USED, "background_check": BACKGROUND, "buddy_check": BUDDY}
"""Numbers by their names, which attributes of archives repeat (`flag_values`, `flag_meanings`)."""

CHECKS = {name: flag for name, flag in FLAGS.items() if flag != USED}
"""The checks that reject values, and their numbers."""
