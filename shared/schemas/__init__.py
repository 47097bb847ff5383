"""The bodies of every service's HTTP routes: requests refuse unknown fields, answers are additive only."""
