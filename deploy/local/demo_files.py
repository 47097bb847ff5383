"""The files of the demo's cases: photos, logs and a report, made here so that the repository holds no binary file."""

import random
import struct
import zlib
from collections.abc import Callable
from functools import partial

from deploy.local.demo_stories import File

_WIDTH, _HEIGHT = 270, 180
_GRAIN = 17

Colour = tuple[float, float, float]


def _photo(paint: Callable[[float, float], Colour]) -> bytes:
    """A PNG of what `paint` gives for each place of a picture one unit wide, with the grain of a phone's camera."""
    grain = random.Random(310).randbytes(_WIDTH * _HEIGHT)  # noqa: S311  # no secret: the same picture each time
    rows = bytearray()
    for y in range(_HEIGHT):
        rows.append(0)  # no filter
        for x in range(_WIDTH):
            noise = grain[y * _WIDTH + x] % _GRAIN - _GRAIN // 2
            rows += bytes([max(0, min(255, int(part) + noise)) for part in paint(x / _WIDTH, y / _WIDTH)])
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_part(kind, content) for kind, content in parts)


def _png_part(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _amber_led(x: float, y: float) -> Colour:
    """The back of a server: two power supplies, the lamp of the second one amber."""
    light = 70 + 60 * (1 - y) - 40 * abs(x - 0.4)
    if _within(y, 0.12, 0.56) and (_within(x, 0.06, 0.47) or _within(x, 0.53, 0.94)):
        # The grille of a supply.
        light = light * 0.7 if (int(x * 60) + int(y * 60)) % 2 else light * 1.15
    green = _glow(x, y, at=(0.42, 0.49))
    amber = _glow(x, y, at=(0.89, 0.49))
    return light + 255 * amber, light + 220 * green + 150 * amber, light * 1.05 + 60 * green


def _within(place: float, first: float, last: float) -> bool:
    return first < place < last


def _glow(x: float, y: float, *, at: tuple[float, float]) -> float:
    return min(1.0, 0.0006 / ((x - at[0]) ** 2 + (y - at[1]) ** 2 + 0.0002))


def _jammed_sheet(x: float, y: float) -> Colour:
    """A drawer, and a white sheet that stands in it askew, folded like a fan where it jammed."""
    shade = 52 + 30 * x - 20 * y
    top, left, right = 0.10 + 0.12 * x, 0.18 + 0.10 * y, 0.80 + 0.05 * y
    if not (_within(x, left, right) and _within(y, top, 0.58)):
        return shade, shade * 1.02, shade * 1.08
    folded = y > 0.40 + 0.10 * x
    white = 205 - 70 * abs((y * 40) % 2 - 1) if folded else 228 - 40 * (y - top)
    return white, white * 0.99, white * 0.95


def _stripes(x: float, y: float) -> Colour:
    """A colour copy: bars of colour with pale stripes from top to bottom."""
    if not (_within(x, 0.06, 0.94) and _within(y, 0.05, 0.62)):
        return 238, 238, 234
    bars: tuple[Colour, ...] = ((30, 140, 190), (200, 50, 120), (235, 205, 40), (60, 60, 66))
    pale = 0.45 if int(x * 90) % 11 == 0 else 0.0
    red, green, blue = bars[min(3, int((y - 0.05) / 0.145))]
    return red + (255 - red) * pale, green + (255 - green) * pale, blue + (255 - blue) * pale


def _text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _report(*lines: str) -> bytes:
    """A PDF of one page with these lines, in Latin letters."""
    shown = "".join(f"({line}) Tj T*\n" for line in lines)
    page = f"BT /F1 11 Tf 16 TL 56 780 Td\n{shown}ET".encode("ascii")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
        b"<< /Font << /F1 5 0 R >> >>",
    )
    content, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(content))
    return content + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table) + end


AMBER_LED = File("psu-2-amber.png", partial(_photo, _amber_led))
JAMMED_SHEET = File("tray-3-jam.png", partial(_photo, _jammed_sheet))
STRIPES = File("stries-couleur.png", partial(_photo, _stripes))

DISK_LOG = File(
    "st900-disks.txt",
    partial(
        _text,
        "ST 900  ST90-1138-AA  firmware 5.2.1",
        "slot  state              hours   reallocated",
        "   5  online             21844             0",
        "   6  online             21844             0",
        "   7  predicted failure  21844           412",
        "   8  online             21844             1",
        "spare 11: ready",
    ),
)
FAN_LOG = File(
    "rx4200-fans.log",
    partial(
        _text,
        "fan1  4200 rpm  ok",
        "fan2  4260 rpm  ok",
        "fan3  9840 rpm  above its usual range",
        "fan4  4180 rpm  ok",
        "firmware 2.14 active since last night's update; inlet 21 C",
    ),
)
REBOOT_LOG = File(
    "rx4200-events.log",
    partial(
        _text,
        "02:11:07  memory   correctable error  DIMM B2  count 38",
        "02:13:52  memory   correctable error  DIMM B2  count 97",
        "02:14:10  memory   uncorrectable error  DIMM B2",
        "02:14:10  system   reset by watchdog",
        "02:17:43  system   boot complete",
    ),
)
BACKUP_LOG = File(
    "sauvegarde.log",
    partial(
        _text,
        "23:00:04  sauvegarde démarrée, 1 842 Go",
        "01:37:21  contrôleur B : lien perdu",
        "01:37:22  bascule vers le contrôleur A",
        "01:37:52  sauvegarde interrompue après 1 120 Go",
    ),
)
CONFIGURATION = File(
    "lp310-configuration.pdf",
    partial(
        _report,
        "Laserprint 310        Configuration page",
        "Serial number         LP31-5501-CC",
        "Firmware              3.08.2",
        "Pages printed         184 220",
        "Last message          13.02.00  jam at the registration sensor",
        "Maintenance kit       changed at 151 900 pages",
    ),
)
