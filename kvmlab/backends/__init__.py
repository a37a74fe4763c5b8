"""Where a machine runs: the model now, a real kernel and QEMU later."""
