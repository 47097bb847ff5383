"""Every query and index of attachments; every read says for whom."""
