"""Fair shares that nobody comes to the end of: a few made-up people do in minutes what a company does in weeks.

They are counted all the same, so that what counting costs is in every figure. `make run` and every deployment keep the
defaults; `test_quotas` and `test_rate_limits` are about them.
"""

UNBOUNDED = dict.fromkeys(
    (
        "CASES_PER_USER_AND_HOUR",
        "CASES_PER_COMPANY_AND_HOUR",
        "CASES_ENTRIES_PER_USER_AND_MINUTE",
        "CASES_ENTRIES_PER_COMPANY_AND_MINUTE",
        "CASES_UPLOAD_BYTES_PER_USER_AND_DAY",
        "CASES_UPLOAD_BYTES_PER_COMPANY_AND_DAY",
        "CASES_UNCITED_FILES_PER_USER",
        "CASES_UNCITED_BYTES_PER_USER",
        "CASES_UNCITED_FILES_PER_COMPANY",
        "CASES_UNCITED_BYTES_PER_COMPANY",
        "NOTIFICATIONS_STRANGER_MAILS_PER_USER_AND_HOUR",
        "NOTIFICATIONS_STRANGER_MAILS_PER_COMPANY_AND_HOUR",
        "IDENTITY_INVITATIONS_PER_USER_AND_HOUR",
        "IDENTITY_INVITATIONS_PER_COMPANY_AND_DAY",
        "GATEWAY_USER_REQUESTS_PER_S",
        "GATEWAY_COMPANY_REQUESTS_PER_S",
        "GATEWAY_NETWORK_REQUESTS_PER_S",
        "GATEWAY_STATIC_REQUESTS_PER_S",
    ),
    str(10**12),
) | {
    "CASES_FREE_DISK_FLOOR_BYTES": "1",
    # However many there were, of files and long lists only a few would be at work at once.
    "GATEWAY_USER_REQUESTS_AT_ONCE": "0",
}
