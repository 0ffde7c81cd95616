"""The dead-letter desk: what lies there, and how it goes on. It keeps no state of its own (docs/decisions/0007)."""

from consumers.desk.desk import Desk, Detail
from consumers.desk.letters import Group, Kind, Letter, Letters, What, grouped, read
from consumers.desk.plan import Plan, Selection, plan_end, plan_replay
from consumers.desk.republisher import Republisher
from consumers.desk.run import Limits, Run, Tally

__all__ = [
    "Desk",
    "Detail",
    "Group",
    "Kind",
    "Letter",
    "Letters",
    "Limits",
    "Plan",
    "Republisher",
    "Run",
    "Selection",
    "Tally",
    "What",
    "grouped",
    "plan_end",
    "plan_replay",
    "read",
]
