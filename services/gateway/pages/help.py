"""What people ask about the portal, answered for anybody."""

from aiohttp import web

from services.gateway.pages.rendering import render
from services.gateway.session import visitor_if_known

pages = web.RouteTableDef()


@pages.get("/help")
async def help_page(request: web.Request) -> web.Response:
    """How to create a case, who sees it, and whom to ask: also while nobody can sign in."""
    return render("help.html", visitor=await visitor_if_known(request))
