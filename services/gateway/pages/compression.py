"""Pages go out compressed, unless another site may be guessing at what stands on them."""

from aiohttp import web

from services.gateway.address import ADDRESS
from services.gateway.session import OWN_SITE
from shared.web.app import Handler

_WORTH_IT_BYTES = 1_000  # below, it goes into one packet either way


@web.middleware
async def compress_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Of a page that was asked for from the portal itself, or typed in; to other readers it goes as it is."""
    response = await handler(request)
    if not isinstance(response, web.Response) or response.content_type != "text/html":
        return response
    response.headers["Vary"] = "Accept-Encoding"
    body = response.body
    if isinstance(body, bytes) and len(body) >= _WORTH_IT_BYTES and not _may_be_guessing(request):
        response.enable_compression()
    return response


def _may_be_guessing(request: web.Request) -> bool:
    """Whether another site may have sent the reader here, with words of its choice in the address.

    It sees no page, but whoever listens on the line sees sizes, and a page in which the words stand twice is shorter:
    so PINs, addresses and texts could be guessed letter by letter. Browsers that do not say who sent them are taken for
    sent; without TLS there is nothing to guess.
    """
    site = request.headers.get("Sec-Fetch-Site")
    return request.app[ADDRESS].is_secure if site is None else site not in OWN_SITE
