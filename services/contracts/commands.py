"""The operator's command: what others copy of products, devices and agreements is sent again."""

from collections.abc import Sequence

from services.contracts.store.agreements import AGREEMENTS
from services.contracts.store.devices import DEVICES
from services.contracts.store.products import PRODUCTS
from shared import republish
from shared.republish import Kinds

COPIED: Kinds = {"products": PRODUCTS, "devices": DEVICES, "agreements": AGREEMENTS}


def run(arguments: Sequence[str]) -> int:
    """Does what the arguments say; the exit code."""
    return republish.main("contracts", COPIED, arguments)
