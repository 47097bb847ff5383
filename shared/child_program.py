"""The side of the child in `shared.child_process`: reads what the parent sends, in a folder that is removed.

Apart from the parent's side, because a child lives shortly: that one's imports would double its start.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bson
from bson.codec_options import CodecOptions


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A folder for the child's temporary files; an exception inside is reported without its message.

    The parent removes it when it stops the child; the child removes it when the parent is gone.
    """
    folder = sys.argv[1]
    try:
        yield folder
    except Exception as error:  # noqa: BLE001  # the message may hold a customer's text
        sys.exit(type(error).__name__)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read_documents() -> Iterator[dict[str, Any]]:
    """The plan, then every document; EOFError when the parent stopped before the end."""
    options: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
    for document in bson.decode_file_iter(sys.stdin.buffer, options):
        if document == {"end": True}:
            return
        yield document
    raise EOFError
