"""The designs that were proposed for telling userspace of an EOI."""
