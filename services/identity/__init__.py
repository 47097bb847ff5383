"""Identity: who may come in, as whom, and for which company.

Owns: companies with their PINs, sites, logins, users (memberships with role, site scope and profile), invitations,
verifications of addresses, sign-in sessions, the counters of failed sign-ins, and audit entries of what makes no event.
Publishes: `identity.user.changed`, `identity.company.changed`, `identity.site.changed` (state);
`identity.invitation.issued`, `identity.verification.requested` (facts).
Listens to: nobody.
Codes in its mails are derived from the key of the installation: never stored, never sent over the bus.
"""
