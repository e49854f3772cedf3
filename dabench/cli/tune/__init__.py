"""Settings that suit a scenario, found on a period or with seeds that it does not score."""
