"""The commands of a page of documentation, as a reader would give them."""

from __future__ import annotations

import shlex


def commands(page: str) -> list[list[str]]:
    """The arguments of each line of a block that begins with `stadtbus`, without its comment; each once."""
    found: list[list[str]] = []
    for block in page.split("```")[1::2]:
        for line in block.splitlines()[1:]:
            if line.startswith("stadtbus "):
                arguments = shlex.split(line, comments=True)[1:]
                if arguments not in found:
                    found.append(arguments)
    return found
