"""`python -m stadtbus` is the `stadtbus` command."""

from stadtbus.cli import main

main()
