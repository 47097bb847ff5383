"""The health check of every container: exit code 0 when the process of Portico in it can serve, else 1."""

import http.client
import sys

# Each container runs one process: whichever of these ports answers is its own. The last is the mail catcher's.
PORTS = (8081, 8082, 8083, 8084, 8085, 8025)


def is_ready(port: int) -> bool:
    """Whether `/readyz` answers 200 there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not any(map(is_ready, PORTS)))
