"""How a person says it: text to Commands, completions and help. No I/O, no printing, no engine objects."""
