"""python -m services.gateway."""

from services.gateway.app import create_app, with_hints, with_private_port
from services.gateway.settings import GatewaySettings
from services.gateway.too_long import LONGEST_HEADER, page_of
from shared.connections import Bounds
from shared.serving import serve
from shared.settings import read


def main() -> None:
    """Serves until the process is asked to stop."""
    settings = read(GatewaySettings)
    app = create_app(settings)
    with_private_port(app, settings, with_hints(app, settings))
    bounds = Bounds(
        most=settings.max_connections,
        most_of_one=settings.max_connections_per_address,
        longest_header=LONGEST_HEADER,
        page_of=page_of,
        carriers=settings.trusted_proxies,
    )
    # A visitor who sends a form and closes the page wants it sent.
    serve(
        app,
        host=settings.public_host,
        port=settings.public_port,
        stop_with_caller=False,
        bounds=bounds,
        loop_stall_s=settings.loop_stall_s,
    )


if __name__ == "__main__":
    main()
