"""`python -m services.notifications`: serves until it is stopped; with a command, runs the command."""

import sys

from services.notifications import commands
from services.notifications.app import create_app
from services.notifications.settings import NotificationsSettings
from shared.serving import serve
from shared.settings import read

if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(commands.run(sys.argv[1:]))
    settings = read(NotificationsSettings)
    serve(create_app(settings), host=settings.host, port=settings.port, loop_stall_s=settings.loop_stall_s)
