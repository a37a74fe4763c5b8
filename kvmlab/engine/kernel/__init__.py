"""What the rest stands on: memory, locks, RCU, work queues, contexts, sanitizers."""
