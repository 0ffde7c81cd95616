"""The front door: the `stadtbus` command, the demo, and the wiring of the parts."""
