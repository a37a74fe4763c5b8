"""The interrupt chips, GSI routing and IRQ source ids."""
