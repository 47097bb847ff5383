"""Attachments: taking files in, citing them, scanning, handing out, sweeping."""
