"""`python -m services.contracts`: serves until it is stopped; with a command, runs that and ends."""

import sys

from services.contracts import commands
from services.contracts.app import create_app
from services.contracts.settings import ContractsSettings
from shared.serving import serve
from shared.settings import read

if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(commands.run(sys.argv[1:]))
    settings = read(ContractsSettings)
    serve(create_app(settings), host=settings.host, port=settings.port, loop_stall_s=settings.loop_stall_s)
