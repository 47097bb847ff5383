"""The vendor's first admin, and companies with an administrator who joined by invitation."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from tests.builders import Json, an_email
from tests.e2e.portal import VENDOR_ADMIN, Deployed, Visitor, a_company, join, vendor_admin_exists, visiting


@dataclass(frozen=True)
class Customer:
    """A company and its first administrator, signed in, with a complete profile."""

    company: Json
    admin: Visitor


@pytest.fixture(scope="session")
async def vendor(stack: Deployed) -> AsyncIterator[Visitor]:
    await vendor_admin_exists(stack)
    async with visiting(stack, VENDOR_ADMIN) as visitor:
        yield await visitor.sign_in()


@pytest.fixture(scope="session")
async def new_customer(stack: Deployed, vendor: Visitor) -> AsyncIterator["NewCustomer"]:
    async with AsyncExitStack() as leaving:
        yield NewCustomer(stack, vendor, leaving)


class NewCustomer:
    """Makes customers the way the vendor does."""

    def __init__(self, stack: Deployed, vendor: Visitor, leaving: AsyncExitStack) -> None:
        self._stack = stack
        self._vendor = vendor
        self._leaving = leaving

    async def __call__(self) -> Customer:
        company = await a_company(self._vendor)
        email = an_email()
        invited = {"invitations": [{"email": email, "role": "company_admin"}]}
        await self._vendor.post(f"/vendor/companies/{company['id']}/invitations", invited)
        admin = await self._leaving.enter_async_context(visiting(self._stack, email))
        await join(self._stack, admin)
        await admin.sign_in()
        await admin.complete_profile()
        return Customer(company, admin)


@pytest.fixture(scope="session")
async def customer(new_customer: NewCustomer) -> Customer:
    """A company that tests may share, as long as they only add to it."""
    return await new_customer()


@pytest.fixture(scope="session")
async def rival(new_customer: NewCustomer) -> Customer:
    """Another company, which must see nothing of the first."""
    return await new_customer()
