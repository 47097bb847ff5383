"""What the image is made of is known: licences, the list of parts, advisories, digests."""

import asyncio
import json
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.supply import audit, images, papers
from deploy.supply.packages import (
    ALLOWED,
    LicenceUndecided,
    Locked,
    NotAsLocked,
    Package,
    installed,
    licence_of,
    read_lock,
)

ROOT = Path(__file__).resolve().parents[3]
LOCK = ROOT / "requirements-runtime.lock"
SITE = Path(sysconfig.get_path("purelib"))
DIGEST = f"sha256:{'0a' * 32}"


@pytest.fixture(scope="module")
def packages() -> list[Package]:
    return installed(read_lock(LOCK), SITE)


# Licences


def test_every_package_of_the_image_has_a_licence_that_was_decided_and_its_text(packages: list[Package]) -> None:
    assert len(packages) > 30
    assert [package.locked.name for package in packages if not package.licence or not package.texts] == []
    assert not any("GPL" in licence and licence != "LGPL-2.1-only" for licence in ALLOWED)


@pytest.mark.parametrize("told", ["GPL-3.0-or-later", "MIT AND AGPL-3.0-only", "Free for all", ""])
def test_a_licence_that_nobody_decided_about_ends_the_build(told: str, tmp_path: Path) -> None:
    folder = tmp_path / "new-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: new\nVersion: 1.0\nLicense-Expression: {told}\n")
    with pytest.raises(LicenceUndecided, match=r"new 1\.0"):
        licence_of(Distribution.at(folder))
    with pytest.raises(LicenceUndecided):
        installed([Locked("new", "1.0", ())], tmp_path)


def test_a_package_in_another_version_than_the_locked_one_ends_the_build(tmp_path: Path) -> None:
    with pytest.raises(NotAsLocked, match="aiohttp"):
        installed([Locked("aiohttp", "0.0.1", ())], SITE)
    with pytest.raises(NotAsLocked, match="None"):
        installed([Locked("aiohttp", "0.0.1", ())], tmp_path)


def test_the_notices_name_every_package_with_its_whole_licence(packages: list[Package]) -> None:
    text = papers.notices(packages)
    for package in packages:
        assert f"\n{package.locked.name} {package.locked.version}\nLicence: {package.licence}\n" in text
        assert all(own.strip() in text for own in package.texts)
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in text
    assert "Mozilla Public License Version 2.0" in text


# The list of parts


def test_the_list_of_parts_is_cyclonedx_and_equals_the_lock(tmp_path: Path) -> None:
    assert papers.main(["--lock", str(LOCK), "--to", str(tmp_path)]) == 0
    text = (tmp_path / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    parts = json.loads(text)["components"]
    locked = read_lock(LOCK)
    assert [(part["name"], part["version"], part["purl"]) for part in parts] == [
        (each.name, each.version, f"pkg:pypi/{each.name}@{each.version}") for each in locked
    ]
    hashes = [[found["content"] for found in part["externalReferences"][0]["hashes"]] for part in parts]
    assert hashes == [list(each.sha256) for each in locked]
    assert all(hashes)
    assert sum(len(found) for found in hashes) == LOCK.read_text().count("--hash=sha256:")
    assert next(part for part in parts if part["name"] == "pycountry")["licenses"] == [{"expression": "LGPL-2.1-only"}]


def test_the_build_of_the_image_makes_them_with_nothing_but_python(tmp_path: Path) -> None:
    words = ["--lock", str(LOCK), "--site", str(SITE), "--to", str(tmp_path)]
    subprocess.run([sys.executable, "-S", "-m", "deploy.supply.papers", *words], check=True, cwd=ROOT)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["THIRD-PARTY-NOTICES", "sbom.cdx.json"]


def test_the_same_packages_give_the_same_list(packages: list[Package]) -> None:
    assert papers.parts_list(packages) == papers.parts_list(list(packages))
    assert papers.parts_list(packages)["serialNumber"] != papers.parts_list(packages[1:])["serialNumber"]


def test_both_locks_are_read_whole() -> None:
    everything = {each.name: each for each in read_lock(ROOT / "requirements.lock")}
    assert {each.name: each for each in read_lock(LOCK)}.items() <= everything.items()
    assert everything["ruff"].version == distribution("ruff").version


# Advisories


@pytest.fixture
async def database() -> AsyncIterator[str]:
    """It knows something against one version of aiohttp."""

    async def answer(request: web.Request) -> web.Response:
        asked = [query["package"]["purl"] for query in (await request.json())["queries"]]
        known = {"vulns": [{"id": "GHSA-6mq8-rvhq-8wgg", "modified": "2026-01-01T00:00:00Z"}]}
        return web.json_response({"results": [known if purl == "pkg:pypi/aiohttp@3.9.0" else {} for purl in asked]})

    app = web.Application()
    app.router.add_post("/v1/querybatch", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_what_is_known_against_a_package_is_named(database: str) -> None:
    asked = [Locked("idna", "3.20", ()), Locked("aiohttp", "3.9.0", ()), Locked("aiohttp", "3.14.5", ())]
    assert await audit.advisories(asked, database) == {"pkg:pypi/aiohttp@3.9.0": ["GHSA-6mq8-rvhq-8wgg"]}


@pytest.mark.parametrize("answer", ["{}", '{"results": []}', "<html>", "[1]", '{"results": [1, 2]}'])
async def test_a_database_that_says_something_else_has_not_been_reached(answer: str) -> None:
    async def say(_request: web.Request) -> web.Response:
        return web.Response(text=answer, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/querybatch", say)
    async with TestServer(app) as server:
        with pytest.raises(audit.NotReached):
            await audit.advisories([Locked("idna", "3.20", ()), Locked("yarl", "1.0", ())], str(server.make_url("")))


@pytest.mark.parametrize(("words", "code"), [([], 3), (["--if-reached"], 0)])
def test_where_no_database_is_reached_that_is_said_and_nothing_is_taken_for_checked(
    words: list[str], code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert audit.main(["--database", "http://127.0.0.1:9", *words]) == code
    said = capsys.readouterr().out
    assert "NOT CHECKED" in said
    assert len(said.splitlines()) == 1


def audited(packages: list[Locked], accepted: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(audit, "read_lock", lambda _lock: packages)
    return audit.main(["--database", database, "--accepted", str(accepted)])


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("", 1, "osv.dev/GHSA-6mq8-rvhq-8wgg"),
        ("GHSA-6mq8-rvhq-8wgg 9999-12-31 We do not do this.", 0, "against 0"),
        ("# why\n\nGHSA-6mq8-rvhq-8wgg 2020-01-01 Then we did not.", 1, "accepted until 2020-01-01 only"),
        ("GHSA-0000-0000-0000 9999-12-31 Of a package that is gone.", 1, "GHSA-0000-0000-0000 is accepted, but known"),
    ],
)
async def test_what_is_accepted_turns_nothing_red_until_its_day(
    *,
    line: str,
    code: int,
    said: str,
    database: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "accepted.txt"
    file.write_text(line)
    asked = [Locked("aiohttp", "3.9.0", ())]
    assert await asyncio.to_thread(audited, asked, file, database, monkeypatch) == code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("line", ["GHSA-6mq8-rvhq-8wgg", "GHSA-6mq8-rvhq-8wgg 9999-12-31", "GHSA-1 for-ever because"])
def test_nothing_is_accepted_for_ever_or_without_a_reason(line: str, tmp_path: Path) -> None:
    file = tmp_path / "accepted.txt"
    file.write_text(line)
    with pytest.raises(SystemExit, match="not `ID YYYY-MM-DD reason`"):
        audit.read_accepted(file)


def test_the_list_of_what_is_accepted_can_be_read() -> None:
    assert all(each.why for each in audit.read_accepted(audit._ACCEPTED))


# Images by digest


class Registry:
    """One of images, as Docker's: it wants a token first."""

    def __init__(self) -> None:
        self.digests = {"library/mongo/8": DIGEST, "library/caddy/2": DIGEST.replace("0a", "0b")}
        self.url = ""

    async def token(self, request: web.Request) -> web.Response:
        assert request.query["service"] == "registry"
        return web.json_response({"token": f"for {request.query['scope']}"})

    async def manifest(self, request: web.Request) -> web.Response:
        name, tag = request.match_info["name"], request.match_info["tag"]
        scope = f"repository:{name}:pull"
        if request.headers.get("Authorization") != f"Bearer for {scope}":
            challenge = f'Bearer realm="{self.url}/token",service="registry",scope="{scope}"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        assert "image.index" in request.headers["Accept"]
        digest = self.digests.get(f"{name}/{tag}")
        return web.Response(headers={"Docker-Content-Digest": digest}) if digest else web.Response(status=404)


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    there = Registry()
    app = web.Application()
    app.router.add_get("/token", there.token)
    app.router.add_route("HEAD", "/v2/{name:.+}/manifests/{tag}", there.manifest)
    async with TestServer(app) as server:
        there.url = str(server.make_url("")).rstrip("/")
        yield there


async def test_tags_get_the_digests_of_now_and_those_of_before_are_replaced(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(f"a: ${{X_IMAGE:-mongo:8}}\nb: ${{Y_IMAGE:-caddy:2@{DIGEST}}}\nARG Z_IMAGE=mongo:8\nimage: own:1\n")
    for _ in range(2):
        await images.pin([file], registry.url)
        assert file.read_text() == (
            f"a: ${{X_IMAGE:-mongo:8@{registry.digests['library/mongo/8']}}}\n"
            f"b: ${{Y_IMAGE:-caddy:2@{registry.digests['library/caddy/2']}}}\n"
            f"ARG Z_IMAGE=mongo:8@{registry.digests['library/mongo/8']}\nimage: own:1\n"
        )


async def test_where_one_digest_is_not_told_no_file_changes(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("ARG A_IMAGE=mongo:8\nARG B_IMAGE=nobody:1\n")
    with pytest.raises(images.NotTold, match="nobody:1"):
        await images.pin([file], registry.url)
    with pytest.raises(images.NotTold):
        await images.pin([file], "http://127.0.0.1:9")
    assert "sha256" not in file.read_text()


async def test_what_is_no_digest_is_not_taken_for_one(registry: Registry) -> None:
    registry.digests["library/mongo/8"] = "sha256:short"
    async with aiohttp.ClientSession() as http:
        with pytest.raises(images.NotTold):
            await images.digest_of(http, "mongo:8", registry.url)


def test_every_image_that_comes_from_elsewhere_can_be_pinned() -> None:
    found: dict[str, Any] = {
        name: images.images_of((ROOT / "deploy" / name).read_text()) for name in ("compose.yaml", "Dockerfile")
    }
    assert [image.partition(":")[0] for image in found["compose.yaml"]] == ["python", "caddy", "mongo", "rabbitmq"]
    assert [image.partition(":")[0] for image in found["Dockerfile"]] == ["python"]
    assert found["compose.yaml"][0] == found["Dockerfile"][0]
