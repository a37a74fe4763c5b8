"""How it looks: snapshots and results as text cells, the same for screen, prompt and files."""
