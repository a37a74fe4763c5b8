"""Is it true: recordings replayed, budgets measured."""
