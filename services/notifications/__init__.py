"""Notifications: who gets which e-mail, and the outcome of each.

Owns: preferences of users and of addresses that are no user's, the delivery ledger (a row for each person who should
get an e-mail), addresses that bounce.
Publishes: nothing.
Listens to: the state of users and companies, issued invitations and requested codes (identity), created and closed
cases (cases). Handlers write ledger rows; the sender sends them.
"""
