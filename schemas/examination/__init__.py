"""The examination of a message: what it is, and everything that can be wrong with it. `examine` has its steps.

Steps 4 to 6 of intake; where else a message can be refused, and with what, is one list: `producers/intake/refusals.py`, as a page
`docs/reference/refusals.md`.
"""
