"""Headers between the gateway and the services, and of the public API."""

REQUEST_ID_HEADER = "X-Request-Id"
CLIENT_HEADER = "X-Portico-Client"
SESSION_HEADER = "X-Portico-Session"
DEVICE_HEADER = "X-Portico-Device"
BROWSER_HEADER = "X-Portico-Browser"
IDEMPOTENCY_HEADER = "Idempotency-Key"
