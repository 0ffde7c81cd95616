"""What commands print obeys nobody but us: texts from outside cannot steer a terminal."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest

from stadtbus.commands.terminal import print_json

STEERING = [chr(code) for code in range(0x3000) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp")]


@pytest.mark.parametrize("letter", ["\x1b", "\x7f", "\x9b", "\x85", "\u202e", "\u2066", "\u200b", "\ufeff"])
def test_json_prints_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str], letter: str) -> None:
    """It is escaped, and what reads the JSON gets the same text."""
    value = {f"a{letter}": f"ä{letter}]0;x"}
    print_json(value)
    output = capsys.readouterr().out
    assert (letter in output, json.loads(output)) == (False, value)


def test_every_letter_that_steers(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters of both sets, changes of direction and line ends beyond ASCII: none is printed, letters are."""
    print_json("".join(STEERING) + "äŁ€")
    output = capsys.readouterr().out.rstrip("\n")
    left = [one for one in output if one in STEERING and not 0x600 <= ord(one) < 0x1900]
    assert (left, json.loads(output)[-3:]) == ([], "äŁ€")
    assert ("äŁ€" in output) == (sys.stdout.encoding.lower() == "utf-8")
