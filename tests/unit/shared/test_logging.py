"""A line of the log is one JSON object on standard error, whoever writes it, and stops nobody's work."""

import os
import subprocess
import sys
import textwrap

import orjson

_FIRST = "from shared.logging import Origin, origin, set_up\nimport structlog, logging, os, sys, threading\n"
_SET_UP = 'set_up("cases", "info")\norigin.set(Origin("request-1", "user-1", "203.0.113.7"))\n'
_LOG = "log = structlog.get_logger()\n"


def _run(program: str, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """In a process of its own: a logger keeps what it was first set up with."""
    code = _FIRST + _SET_UP + _LOG + textwrap.dedent(program)
    return subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=60, check=True
    )


def test_our_lines_and_those_of_libraries_have_the_same_keys() -> None:
    own, library = _run('log.warning("ours")\nlogging.getLogger("library").warning("theirs")').stderr.splitlines()
    assert list(orjson.loads(own)) == ["service", "event", "level", "timestamp", "request_id", "actor"]
    assert list(orjson.loads(library)) == list(orjson.loads(own))
    assert orjson.loads(own)["event"] == "ours"
    assert orjson.loads(library)["event"] == "theirs"
    assert {orjson.loads(line)["level"] for line in (own, library)} == {"warning"}


def test_a_failure_is_told_without_the_values_that_it_met() -> None:
    said = _run(
        """
        password = "hush" + "hush"
        try:
            raise LookupError("nothing")
        except LookupError:
            log.exception("failed")
        """
    ).stderr
    assert '"exc_type": "LookupError"' in said
    assert "hushhush" not in said


def test_what_is_below_the_level_is_not_written() -> None:
    said = _run('log.debug("quiet")\nlogging.getLogger("library").debug("quiet")\nlog.info("loud")').stderr
    assert [orjson.loads(line)["event"] for line in said.splitlines()] == ["loud"]


def test_the_lines_of_threads_and_child_processes_stay_whole() -> None:
    said = _run(
        """
        def write(name):
            for number in range(300):
                log.info(name, number=number, text="x" * 2000)
                logging.getLogger("library").warning(name)

        child = os.fork()
        names = ["child"] if child == 0 else ["first", "second", "third"]
        threads = [threading.Thread(target=write, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        """
    ).stderr
    lines = [orjson.loads(line) for line in said.splitlines()]
    for name in ("child", "first", "second", "third"):
        assert [line["number"] for line in lines if line["event"] == name and "number" in line] == list(range(300))
    assert len(lines) == 4 * 300 * 2


def test_a_log_whose_reader_has_gone_stops_no_work() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert _run('log.info("lost")\nprint("done")', writing).stdout == "done\n"
    finally:
        os.close(writing)
