"""The operator's command: what others copy of products, devices and agreements is sent again."""

import argparse
from collections.abc import Sequence

from services.contracts.store.agreements import AGREEMENTS
from services.contracts.store.devices import DEVICES
from services.contracts.store.products import PRODUCTS
from shared import republish
from shared.republish import Kinds
from shared.settings import ToolSettings, read, tool_environment

COPIED: Kinds = {"products": PRODUCTS, "devices": DEVICES, "agreements": AGREEMENTS}


def run(arguments: Sequence[str]) -> int:
    """Does what the arguments say; the exit code."""
    options = _parser().parse_args(arguments)
    return republish.run("contracts", read(ToolSettings, tool_environment()), COPIED, options.kinds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.contracts", description="Commands for operators.")
    republish.add_command(parser.add_subparsers(dest="command", required=True), COPIED)
    return parser
