"""The prompt: the command language on a terminal, or line by line from a pipe."""
