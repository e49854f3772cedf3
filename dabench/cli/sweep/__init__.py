"""Many runs that differ in a few settings, and what the settings do to the scores."""
