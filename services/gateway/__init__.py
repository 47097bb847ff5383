"""Gateway: the one door for people and programs.

Owns:       nothing durable; it remembers for a second who a session token stands for.
Publishes:  nothing.
Listens to: hints of who has changed.
Serves:     the public JSON API under /api/v1 (a table: `routes`), the pages, and on a private port its health.
Asks:       identity, cases, contracts, notifications, over HTTP with deadlines (`clients`).
"""
