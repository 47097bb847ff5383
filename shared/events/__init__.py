"""The published language: what each service says happened. Additive only."""
