"""python -m services.gateway."""

from services.gateway.app import create_app, with_private_port
from services.gateway.settings import GatewaySettings
from shared.settings import read
from shared.web import serve


def main() -> None:
    """Serves until it is told to stop."""
    settings = read(GatewaySettings)
    app = with_private_port(create_app(settings), settings)
    # Who sends a form and closes the page wants it sent.
    serve(app, host=settings.public_host, port=settings.public_port, stop_with_caller=False)


if __name__ == "__main__":
    main()
