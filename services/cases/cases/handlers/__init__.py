"""The use cases of cases: read, rule, write."""
