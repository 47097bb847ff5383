"""Notifications: who is told what by e-mail, and what came of it.

Owns: preferences of users and of addresses that are no user's, the delivery ledger (a row for everybody who should be
told), addresses that bounce.
Publishes: nothing.
Listens to: the state of users and companies, issued invitations and requested codes (identity), created and closed
cases (cases). Handlers write ledger rows; the sender sends them.
"""
