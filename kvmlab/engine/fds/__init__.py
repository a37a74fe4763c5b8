"""What a file descriptor binds, and what its close undoes."""
