"""The events that each service publishes. Additive only."""
