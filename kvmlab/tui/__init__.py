"""The screen: panes over a live session, and a command line in which everything is done."""
