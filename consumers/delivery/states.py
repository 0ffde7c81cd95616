"""The states of a submission in the ledger. They are stored: their values never change.

| state       | means                                                                                           |
|-------------|-------------------------------------------------------------------------------------------------|
| `started`   | a delivery was begun; found so again, its outcome is unclear: `find` is asked before another one |
| `not taken` | the back office certainly has not taken it; it is to be delivered again                          |
| `parked`    | its copy waits in the retry topic                                                                |
| `dead`      | its copy is a dead letter                                                                        |
| `delivered` | the back office has it                                                                           |
| `refused`   | an operator discarded its dead letter (`DISCARDED`)                                              |

What portals are told is another list (`schemas.events.State`).
"""

from __future__ import annotations

from typing import Final

STARTED: Final = "started"
NOT_TAKEN: Final = "not taken"
PARKED: Final = "parked"
DEAD: Final = "dead"
DELIVERED: Final = "delivered"
DISCARDED: Final = "refused"
"""An operator's doing; stored under an older word."""
NEW: Final = ""
"""Never stored: there is no row."""
BUSY: Final = "busy"
"""Never stored: another record of the same submission is in the batch."""
