"""What could happen: every schedule of a scenario, and the shortest one that goes wrong."""
