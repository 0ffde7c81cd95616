"""The texts of the watch in English (`texts.py` says what each is)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from consumers.watch.model import EvidenceCode as E
from consumers.watch.model import Party, SubReason, Verdict
from consumers.watch.observed import Kind
from consumers.watch.texts import Texts, Told

_START = "Start it (`stadtbus run adapter {name}`), and look at the end of its log for why it ended"
_START_RECORDER = "Start it (`stadtbus run {name}`), and look at the end of its log for why it ended"
_START_GATEWAY = (
    "Start it (`stadtbus run gateway`), and look at the end of its log; if it runs, it is cut off from Kafka: portals notice nothing then"
)
_LOST_RECORDER = "It misses those for good, and the offices do not: compare with the outbox, and find out who deleted or moved them"
_ITSELF = "Nothing: it goes on by itself"

_TOLD: Final = {
    (Verdict.UNKNOWN, None, None): Told("cannot be judged", "Look at the log of the watch"),
    (Verdict.UNKNOWN, SubReason.KAFKA_AWAY, None): Told(
        "cannot be judged, Kafka does not answer", "Bring the brokers back; all goes on by itself then, and the gateway accepts meanwhile"
    ),
    (Verdict.UNKNOWN, SubReason.NOT_ASKED, None): Told(
        "cannot be judged, the watch gets no answer about it",
        "Look at the log of the watch: its rights, its network, or it has only just begun",
    ),
    (Verdict.UNKNOWN, SubReason.NOT_SAID, None): Told(
        "what waits in the outbox is not known, the watch cannot read the heartbeats",
        "Ask the gateway where it runs: `stadtbus status` there",
    ),
    (Verdict.UNKNOWN, SubReason.TOPICS, None): Told(
        "cannot work, its topics are missing or nobody leads them",
        "`stadtbus topics plan` says what is missing, `stadtbus topics apply` makes it",
    ),
    (Verdict.LOST, None, None): Told(
        "submissions were gone from Kafka before they were delivered",
        "Start the adapter if it stands, then send them again from the outbox: `stadtbus outbox republish {name}`; find out who deleted or moved them",
    ),
    (Verdict.LOST, None, Kind.RECORDER): Told("records were gone from Kafka before it had read them", _LOST_RECORDER),
    (Verdict.LOST, SubReason.LOG_SHORTENED, None): Told(
        "the log ends before what was finished: Kafka has lost its end, or the topic was made anew",
        "Stop its adapter: `stadtbus offsets reset {name}` shows what Kafka and the ledger know, and sets it with `--go`; start it, then `stadtbus outbox republish {name}`",
    ),
    (Verdict.LOST, SubReason.LOG_SHORTENED, Kind.RECORDER): Told(
        "the log ends before what it had read: Kafka has lost its end, or the topic was made anew", _LOST_RECORDER
    ),
    (Verdict.LOST, SubReason.NOTED, None): Told(
        "submissions were gone from Kafka before they were delivered, and it went on behind them",
        "Send them again from the outbox: `stadtbus outbox republish {name}`; `stadtbus offsets reset {name}`, with the adapter stopped, then says that you have seen it",
    ),
    (Verdict.PAUSED, SubReason.BY_OPERATOR, None): Told(
        "is paused by an operator", "`stadtbus office resume {name} --reason … --go`, once the reason is gone"
    ),
    (Verdict.PAUSED, SubReason.MAINTENANCE, None): Told("is paused for maintenance", "Nothing: it goes on by itself when the window ends"),
    (Verdict.PAUSED, SubReason.CLOSED, None): Told("is closed", "Nothing now: what waits is looked at when the office opens"),
    (Verdict.DOWN, None, None): Told("nobody takes what waits", _START),
    (Verdict.DOWN, SubReason.KILLED, None): Told(
        "nobody takes what waits, its process is silent and has not said that it stops",
        f"{_START}; if it runs, it hangs or is cut off from Kafka",
    ),
    (Verdict.DOWN, SubReason.KILLED, Kind.RECORDER): Told(
        "nobody records what waits, its process is silent and has not said that it stops",
        f"{_START_RECORDER}; if it runs, it hangs or is cut off from Kafka",
    ),
    (Verdict.DOWN, SubReason.KILLED, Kind.OUTBOX): Told("no gateway is heard, the last one has not said that it stops", _START_GATEWAY),
    (Verdict.DOWN, SubReason.STOPPED, None): Told("nobody takes what waits, its process was stopped", _START),
    (Verdict.DOWN, SubReason.STOPPED, Kind.RECORDER): Told("nobody records what waits, its process was stopped", _START_RECORDER),
    (Verdict.DOWN, SubReason.STOPPED, Kind.OUTBOX): Told(
        "the gateway was stopped, portals find nobody", "Start it: `stadtbus run gateway`"
    ),
    (Verdict.DOWN, SubReason.NEVER_STARTED, None): Told("nobody takes what waits, no process of it is heard", _START),
    (Verdict.DOWN, SubReason.NEVER_STARTED, Kind.RECORDER): Told("nobody records what waits, no process of it is heard", _START_RECORDER),
    (Verdict.DOWN, SubReason.NEVER_STARTED, Kind.OUTBOX): Told("no gateway is heard", "Start it: `stadtbus run gateway`"),
    (Verdict.DOWN, SubReason.NO_MEMBERS, None): Told(
        "nobody takes what waits, a process may run and is no member of its group",
        "Look at its log: it cannot join its group (rights, Kafka), or has just begun",
    ),
    (Verdict.DOWN, None, Kind.RECORDER): Told("nobody records what waits", _START_RECORDER),
    (Verdict.REWOUND, None, None): Told(
        "its offsets went back, and no operation says who did it",
        "Nothing is delivered twice, the ledger knows what was done. Find out who reset the group: `stadtbus operations list` has not seen it",
    ),
    (Verdict.REWOUND, None, Kind.RECORDER): Told(
        "its offsets went back, and no operation says who did it",
        "Nothing is counted twice, its store knows how far it is. Find out who reset the group, or from which backup its store comes",
    ),
    (Verdict.STUCK, None, None): Told("does not come on", "Look at its log"),
    (Verdict.STUCK, SubReason.BACK_OFFICE_DOWN, None): Told(
        "its back office is down",
        "Tell the back office's people. Nothing else: the adapter looks again by itself, and goes on within a minute after they are back",
    ),
    (Verdict.STUCK, SubReason.HELD, None): Told(
        "stopped by its brake, everything is refused",
        "`stadtbus deadletters list {name}` shows the cause; mend it, then `stadtbus office release {name} --reason … --go`",
    ),
    (Verdict.STUCK, SubReason.POISON, None): Told(
        "does not come on, one submission fails again and again",
        "Look at its log for that place; ask the back office what it has against it",
    ),
    (Verdict.STUCK, SubReason.HUNG, None): Told(
        "does not come on, its process says that it runs and reads nothing", "Restart it: nothing is lost or done twice. Keep its log"
    ),
    (Verdict.STUCK, SubReason.UNFIT, None): Told(
        "does not come on, its process says why it cannot work", "As its words say; docs/operations.md has a section for each"
    ),
    (Verdict.STUCK, SubReason.WAITING, None): Told(
        "does not come on, one submission keeps all behind it waiting",
        "Look at its log and ask the back office: it has an answer outstanding; after `delivery.attempt_timeout_s` the case is parked",
    ),
    (Verdict.STUCK, SubReason.WAITING, Kind.RECORDER): Told(
        "does not come on, although its process runs", "Look at its log and at its store; restart it"
    ),
    (Verdict.STUCK, SubReason.NOT_TAKEN, None): Told(
        "does not come on, its processes run and none has taken that partition",
        "Wait a minute where one has just begun; else restart them: somebody else may be in their group",
    ),
    (Verdict.STUCK, SubReason.OPEN_TRANSACTION, None): Told(
        "does not come on, a foreign transaction is open on its topic",
        "Find who writes there; Kafka ends it after its time-out, `kafka-transactions abort` at once",
    ),
    (Verdict.STUCK, SubReason.BLIND, None): Told(
        "does not come on, and whoever is in its group says nothing of itself",
        "Look which program is in the group; where it is ours, restart it and look at its log",
    ),
    (Verdict.STUCK, SubReason.REFUSED, None): Told(
        "Kafka refuses what the gateway publishes",
        "`stadtbus topics plan` shows what differs; the rest of the office goes on, nothing is lost",
    ),
    (Verdict.STUCK, SubReason.NOT_PUBLISHED, None): Told(
        "accepted submissions do not get to Kafka", "As the gateway says; it tries again by itself, and nothing is lost"
    ),
    (Verdict.LATE, None, None): Told(
        "delivers, but later than its target",
        "Look how fast the back office answers. Nothing is lost; a second adapter helps where it can take more at once",
    ),
    (Verdict.LATE, None, Kind.RECORDER): Told(
        "records, but later than its target", "Look at its log and its store; restart it if it does not come on"
    ),
    (Verdict.LATE, None, Kind.OUTBOX): Told("publishes, but slowly", "Look at the gateway's log, its store and Kafka"),
    (Verdict.SLOW, None, None): Told(
        "gets more than it finishes, and will miss its target", "Look how fast the back office answers, and who sends so much"
    ),
    (Verdict.DRAINING, None, None): Told("works off what has piled up", _ITSELF),
    (Verdict.FLAPPING, None, None): Told(
        "its processes come and go", "Look at their logs for why they end; at each change all of them stop for a moment"
    ),
    (Verdict.QUIET, None, None): Told("nothing came in for longer than usual", "Nothing, if you know why; else ask the portals"),
    (Verdict.OK, None, None): Told("works", "Nothing"),
}

_BESIDE: Final = {
    E.DEAD_LETTERS: Told("dead letters wait for a person", "`stadtbus deadletters list {name}` shows them and their causes"),
    E.SERIES_HELD: Told(
        "one series is held, because all of it is refused",
        "`stadtbus deadletters list {name}` shows the cause; mend it, then `stadtbus office release {name} --reason … --go`",
    ),
    E.PARKED: Told("submissions are parked for long", "`stadtbus find --office {name} --state parked` names them; ask the back office what they wait for"),
    E.LOSS_NEAR: Told(
        "Kafka will delete submissions before they are delivered", "Get it going, or lengthen the topic's retention (`kafka-configs --alter`) in time"
    ),
    E.NO_COMMIT: Told(
        "Kafka has forgotten how far it was, and old records are gone",
        "With its adapter stopped `stadtbus offsets reset {name}` shows what its ledger knows; whether something is missing, the outbox knows: `stadtbus outbox republish {name}`",
    ),
    E.PARTITIONS_UNKNOWN: Told("some of its partitions cannot be seen", "Look at the brokers: `stadtbus kafka status`, or the tools of your cluster"),
    E.TOPIC_FAULT: Told("something is wrong with its topics", "`stadtbus topics plan` says what differs"),
    E.FINDING: Told("works, and its process says that something is wrong", "As its words say; docs/operations.md has a section for each"),
    E.PROCESS_GONE: Told("works, and one of its processes is gone", "Start it again, and look at the end of its log"),
    E.NOBODY_THERE: Told("nothing waits, and nobody is there who would take it", _START),
    E.LANE: Told("some that it is to get do not get to Kafka", "See the line of the gateway"),
    E.PROBE: Told("works, and the last probe did not get through to its back office", "Ask the back office's people: it did not answer at its door"),
    E.PAUSED_BY: Told("is paused by an operator, and submissions have waited for too long", "`stadtbus office resume {name} --reason … --go`, or say until when"),
}  # fmt: skip

_EVIDENCE: Final = {
    E.AS_OF: "[last known {at} ({age} ago)]",
    E.BROKER_AWAY: "broker {of} does not answer[: {said}]",
    E.CALL_FAILED: "[Kafka answers: {of}]",
    E.PARTITIONS_UNKNOWN: "{of} is not known[: {said}]|{count} partitions are not known: {of}[ ({said})]",
    E.TOPIC_FAULT: "{of}",
    E.RECORDS_LOST: "{count} record in {of}|{count} records in {of}",
    E.LOSS_NEAR: "the oldest in {of} is deleted {until} (in {left})",
    E.PAUSED_BY: "by {of}[, until {until}]: {said}",
    E.WINDOW: "[until {until}: ]{said}",
    E.CLOSED_UNTIL: "[opens {until}]",
    E.HIDDEN: "else it would be: {of}",
    E.LAST_HEARTBEAT: "{of} was last heard {at} ({age} ago)",
    E.NO_HEARTBEAT: "no process of ours is heard",
    E.STOPPED: "{of} said at {at} that it stops",
    E.MEMBERS: "[{count} member in its group]|[{count} members in its group]",
    E.NOBODY_THERE: "no process is in its group[, the last was heard {at}]",
    E.LAST_COMMIT: "last came on {at} ({age} ago)",
    E.NO_COMMIT: "nothing is committed in {of}; counted from the log start ({count})",
    E.OLDEST: "{count} waits[, since {at} ({age})]|{count} wait[, the oldest since {at} ({age})]",
    E.WENT_BACK: "{of} at {at}",
    E.STANDS_AT: "stands at {of} since {at} ({age})",
    E.ATTEMPTS: "tried {count} time|tried {count} times",
    E.BREAKER_OPEN: "[it says: {said}]",
    E.OFFICE_HELD: "[it says: {said}]",
    E.SERIES_HELD: "{of} is held since {at}: {said}",
    E.LAST_POLL: "{of} asked Kafka last {at} ({age} ago)",
    E.FINDING: "it says: {of}: {said}",
    E.TRANSACTION: "a transaction is open in {of}",
    E.TARGET: "target: within {duration}",
    E.RATE: "{rate} are finished per second",
    E.BREACH_AT: "at this pace what comes in waits longer than {duration} from {until} on",
    E.ETA: "done {until} (in {left})",
    E.GROUP_CHANGES: "{count} change in {duration} (members {of}), the last {at}|{count} changes in {duration} (members {of}), the last {at}",
    E.LAST_RECORD: "the last came in {at} ({age} ago)",
    E.USUAL_GAP: "usual after such a day: {duration} of opening",
    E.NOT_IN_USE: "nobody runs it, and nothing was ever sent to it",
    E.PROBE: "last probe {at}, {duration} to the door of the back office[: {said}]",
    E.DEAD_LETTERS: "{count} dead letter is open[, since {at} ({age})]|{count} dead letters are open[, the oldest since {at} ({age})]",
    E.DEAD_LETTERS_UNKNOWN: "how many dead letters are open is not known",
    E.PARKED: "{count} is parked[, since {at} ({age})]|{count} are parked[, the oldest since {at} ({age})]",
    E.LANE: "{of}: {count} not on Kafka[, the oldest since {at} ({age})][: {said}]",
    E.PROCESS_GONE: "{of} was last heard {at} ({age} ago)",
}  # fmt: skip

TEXTS: Final = Texts(
    since="since",
    fault="To be mended by",
    next_step="Next",
    days=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    verdicts=MappingProxyType({one: one.value for one in Verdict}),
    parties=MappingProxyType(
        {
            Party.NOBODY: "",
            Party.BACK_OFFICE: "the back office",
            Party.ADAPTER: "who runs its adapter",
            Party.RECORDER: "who runs its process",
            Party.GATEWAY: "who runs the gateway",
            Party.KAFKA: "who runs Kafka",
            Party.PORTAL: "the portal",
            Party.OPERATOR: "the operators",
            Party.WATCH: "who runs the watch",
        }
    ),
    told=MappingProxyType(_TOLD),
    beside=MappingProxyType(_BESIDE),
    evidence=MappingProxyType(_EVIDENCE),
)
