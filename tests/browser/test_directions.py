"""Texts that are written from right to left stand on every page without turning the words beside them round."""

import pytest
from playwright.async_api import Browser, Page

from deploy.local.stack import Stack
from tests.browser.walking import World, begin_session
from tests.builders import a_contact, a_serial, an_address, an_email
from tests.e2e.portal import VENDOR_ADMIN, a_company, join, link_in, mail_for, vendor_admin_exists, visiting

# A number at its end draws what follows to its other side, unless it is kept apart.
WORD = "מגש"
TYPED = f"{WORD} 3"
OVERRIDE = "\u202e"

# Of each block: what was typed, and the words beside it, in the order of the page. On one line each has to stand to the
# right of the one before.
TURNED_ROUND = """
() => {
  const TYPED = /[\\u0590-\\u05ff](?:[\\u0590-\\u05ff \\d]*[\\u0590-\\u05ff\\d])?/g;
  const blocks = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    let block = node.parentElement;
    while (/^(inline|contents)$/.test(getComputedStyle(block).display)) block = block.parentElement;
    if (!block.checkVisibility() || block.closest("option, script, textarea")) continue;
    const pieces = blocks.get(block) ?? blocks.set(block, []).get(block);
    let from = 0;
    for (const found of [...node.data.matchAll(TYPED), { index: node.data.length, 0: "" }]) {
      for (const word of node.data.slice(from, found.index).matchAll(/[^\\s\\u2068\\u2069]+/g)) {
        pieces.push([node, from + word.index, from + word.index + word[0].length, false]);
      }
      if (found[0]) pieces.push([node, found.index, found.index + found[0].length, true]);
      from = found.index + found[0].length;
    }
  }
  const boxOf = ([node, from, to]) => {
    const range = document.createRange();
    range.setStart(node, from);
    range.setEnd(node, to);
    const boxes = [...range.getClientRects()].filter((box) => box.width);
    const isOneLine = boxes.length && boxes.every((box) => Math.abs(box.top - boxes[0].top) < 3);
    return isOneLine ? range.getBoundingClientRect() : null;
  };
  const trouble = [];
  let compared = 0;
  for (const pieces of blocks.values()) {
    for (let at = 1; at < pieces.length; at++) {
      const [one, other] = [pieces[at - 1], pieces[at]];
      const [left, right] = [boxOf(one), boxOf(other)];
      const areBeside = left && right && Math.min(left.bottom, right.bottom) - Math.max(left.top, right.top) > 3;
      if (!(one[3] || other[3]) || !areBeside) continue;
      compared++;
      if (right.left < left.right - 1) trouble.push([one, other].map(([node, from, to]) => node.data.slice(from, to)));
    }
  }
  return { trouble, compared };
}
"""


def pages_of(world: World) -> tuple[str, ...]:
    """Those on which the customer's texts stand among words of ours."""
    case = f"/cases/{world.number}"
    lists = ("/", "/?done=joined", "/cases", "/sites", "/users", "/profile")
    new = ("/cases/new", f"/cases/new?q={TYPED}", f"/cases/new?serial={world.serial}", "/cases/new/for")
    return (*lists, *new, case, f"{case}/created", f"/cases/{world.closed_number}")


@pytest.fixture(scope="module")
async def world(stack: Stack) -> World:
    await vendor_admin_exists(stack)
    serial, product_number = a_serial(), f"R{a_serial()}"
    address = an_address() | {"address_line_1": TYPED, "address_line_2": TYPED, "city": TYPED, "region": TYPED}
    person = {"first_name": WORD, "last_name": TYPED}
    async with visiting(stack, VENDOR_ADMIN) as vera, visiting(stack, an_email()) as ana:
        await vera.sign_in()
        company = await a_company(vera, TYPED)
        invited = {"invitations": [{"email": ana.email, "role": "company_admin"}]}
        await vera.post(f"/vendor/companies/{company['id']}/invitations", invited)
        await vera.post("/vendor/products", {"product_number": product_number, "name": TYPED})
        device = {"serial": serial, "product_number": product_number, "company_id": company["id"]}
        await vera.post("/vendor/devices", device)
        await join(stack, ana, **person)
        await ana.sign_in()
        await ana.complete_profile(**person, **address, job_title=TYPED)
        site = await ana.post("/sites", {"name": TYPED, **address})
        texts = {
            "title": TYPED,
            "description": f"{OVERRIDE}{TYPED} " * 5,
            "own_reference": TYPED,
            "troubleshooting": TYPED,
        }
        people = {"contact": a_contact() | person, "secondary_contact": a_contact() | person | {"email": an_email()}}
        case = await ana.submit(serial=serial, **texts, **people, site_id=site["id"], equipment_address=None)
        await vera.agent_act(case["number"], action="take")
        await ana.act(case["number"], action="comment", text=f"{TYPED} {OVERRIDE}")
        closed = await ana.submit(serial=serial, **texts, **people, equipment_address=address, parts_address=address)
        await ana.act(closed["number"], action="close", version=1, reason=f"{OVERRIDE}{TYPED}", resolved=True)
        guest = an_email("guest")
        await ana.post("/invitations", {"invitations": [{"email": guest, "role": "member"}]})
        code = link_in(await mail_for(stack, guest), "invitations")
        token = link_in(await mail_for(stack, ana.email, about=case["number"]), "unsubscribe")
    return World(ana.email, serial, case["number"], closed["number"], code, token)


async def turned_round(page: Page, url: str) -> tuple[list[str], int]:
    """What stands on the wrong side of its neighbour, and how many neighbours were compared."""
    await page.goto(url)
    found = await page.evaluate(TURNED_ROUND)
    return [f"{url}: {left} | {right}" for left, right in found["trouble"]], found["compared"]


@pytest.mark.parametrize("width", [1440, 360])
async def test_words_beside_a_text_from_right_to_left_keep_their_places(
    stack: Stack, world: World, browser: Browser, width: int
) -> None:
    async with await browser.new_context(viewport={"width": width, "height": 800}) as context:
        context.set_default_timeout(30_000)
        page = await context.new_page()
        trouble, compared = await turned_round(page, f"{stack.base_url}/invitations/{world.invitation_code}")
        await begin_session(page, stack, world.admin_email)
        for path in pages_of(world):
            found, count = await turned_round(page, f"{stack.base_url}{path}")
            trouble, compared = trouble + found, compared + count
    assert trouble == []
    assert compared > 30
