"""`python -m deploy.local.logins`: several users in one process, because a start takes most of the time of one."""

import json
import sys

from services.identity import commands


def main() -> int:
    """Do the commands of identity that standard input holds, two lines each: its words as JSON, and the password."""
    while line := sys.stdin.readline():
        if code := commands.run(json.loads(line)):
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
