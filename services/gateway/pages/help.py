"""What people ask about the portal, answered for anybody."""

from aiohttp import web

from services.gateway.pages.rendering import render
from services.gateway.session import visitor_of

pages = web.RouteTableDef()


@pages.get("/help")
async def help_page(request: web.Request) -> web.Response:
    """How to create a case, who sees it, and whom to ask."""
    return render("help.html", visitor=await visitor_of(request))
