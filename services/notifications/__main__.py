"""`python -m services.notifications`: serves until it is told to stop."""

from services.notifications.app import create_app
from services.notifications.settings import NotificationsSettings
from shared.settings import read
from shared.web import serve

if __name__ == "__main__":
    settings = read(NotificationsSettings)
    serve(create_app(settings), host=settings.host, port=settings.port)
