"""`python -m services.cases`: serves until it is stopped; with a command, runs that and ends."""

import sys

from services.cases import commands
from services.cases.app import create_app
from services.cases.settings import CasesSettings
from shared.serving import serve
from shared.settings import read

if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(commands.run(sys.argv[1:]))
    settings = read(CasesSettings)
    serve(create_app(settings), host=settings.host, port=settings.port, loop_stall_s=settings.loop_stall_s)
