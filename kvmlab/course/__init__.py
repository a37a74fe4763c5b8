"""What to learn: labs, read and checked, played, kept and proved."""
