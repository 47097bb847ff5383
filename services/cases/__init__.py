"""Cases: support requests from submission to closing.

Owns: cases with their history; later also attachments, service and parts orders, chats, favourites.
Publishes: cases.case.changed, cases.case.created, cases.case.closed.
Hints:      every change of a case, and who is at one; it listens to them, for its open streams of live updates.
Listens to: the state of users, companies and sites (identity), of products, devices and agreements (contracts).
"""
