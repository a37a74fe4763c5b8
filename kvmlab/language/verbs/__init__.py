"""The command table by subject: one file a group, data only."""
