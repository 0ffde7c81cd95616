"""What whoever gives a command meets: problems of what was asked for, of adapters in the making, and at the desk of dead letters."""

from schemas.problems.problem import Problem

# --- what was asked for
OFFICE_UNKNOWN = Problem("office-unknown", "There is no such office", "Use one of the offices in the detail.")
TIME_UNCLEAR = Problem(
    "time-unclear", "This is no time", "Give a day (2026-11-28), a time (2026-11-28T14:30), or how long ago it was (90min, 6h, 3d)."
)
FILE_UNREADABLE = Problem(
    "file-unreadable", "The file cannot be read", "Give the path of a file that this user may read; a folder has to have *.xml in it."
)
FILE_UNWRITABLE = Problem(
    "file-unwritable", "The file cannot be written", "Give a place in a folder that exists and that this user may write to."
)
FOLDER_EXISTS = Problem("folder-exists", "The folder is there already", "Give another place with --folder, or remove the folder first.")
COMMAND_BROKEN = Problem(
    "command-broken",
    "The command made a mistake",
    "Nothing can be told from it. Report it with the lines above, which hold no data.",
    exit_code=3,
)
UNTIL = Problem(
    "until-unclear",
    "This is no moment at which a pause can end",
    "Write a time of day (18:00), a day and a time (2026-12-01 06:00), or how long (90 min, 4 h, 2 d); it lies ahead, within a year.",
)
# --- where a submission is
WANTED_UNCLEAR = Problem(
    "wanted-unclear",
    "This names no submission and no case",
    "Give the id of a submission or of a case (of a submission the first four digits or more are enough), the hotline code of the receipt, such as GTJ2-EXBT, "
    "or the number that the back office gave it.",
)
NOBODY_KNOWS = Problem(
    "nobody-knows-it",
    "No such submission is known",
    "Check what was given letter by letter; `stadtbus find --office OFFICE --since 2d` lists what came in. What was accepted elsewhere is known where that gateway and the audit run.",
    404,
    exit_code=1,
)
RECORDS_ELSEWHERE = Problem(
    "records-elsewhere",
    "What is asked for is not recorded on this machine",
    "Give the command where the process runs that records it, with its settings (stores.folder or stores.url).",
    503,
    exit_code=3,
)
# --- adapters in the making
SAMPLES_MISSING = Problem(
    "samples-missing", "The adapter has no recorded samples", "Put messages as XML files into `samples/` beside the adapter's module."
)
SAMPLE_UNREADABLE = Problem(
    "sample-unreadable",
    "A recorded sample is not a message",
    "Correct the file or take it out of `samples/`: samples are messages as a portal sends them, XML in UTF-8.",
)
MAPPING = Problem(
    "mapping-invalid",
    "A mapping cannot be used",
    "`stadtbus adapter check` shows everything that is wrong with it; docs/mappings.md explains it.",
)
MAPPING_MISSING = Problem(
    "mapping-missing",
    "This office has no mapping",
    "Only what a mapping makes can be recorded and compared; `stadtbus adapter try` shows what the back office gets.",
)
ADAPTER_WISH = Problem("adapter-wish-invalid", "Such an adapter cannot be made", "Give the command again as the detail says.")
# --- portals
PORTAL_UNKNOWN = Problem(
    "portal-unknown",
    "There is no page of this portal",
    "`stadtbus portals list` shows those that there are; docs/portals.md shows how to write one.",
)
TOKEN_WISH = Problem(
    "token-wish-invalid",
    "No token was drawn or ended",
    "Give the command again as the detail says; `stadtbus portals show PORTAL` has the tokens of a portal, by the first digits of their hashes.",
)
# --- cases
CASE_UNKNOWN = Problem(
    "case-unknown",
    "This portal has no such case at this office",
    "Give the id of the case as the portal names it, and the office; `stadtbus trace` shows where a submission went, and by whom.",
    404,
    exit_code=1,
)
CASE_NOT_GRANTED = Problem(
    "case-not-granted",
    "The case cannot be granted to this portal",
    "The detail says why. A portal writes into a granted case under the id that its owner gave it, and needs rights at the office.",
)
# --- dead letters and offsets
DEADLETTER_UNKNOWN = Problem(
    "dead-letter-unknown",
    "There is no such dead letter",
    "`stadtbus deadletters list` shows what is open, with --all also what was replayed or discarded.",
    404,
    exit_code=1,
)
SELECTION = Problem(
    "selection-missing",
    "It is not said which dead letters",
    "Name them by one of the options in the detail; `stadtbus deadletters list` shows fingerprints.",
)
REASON = Problem(
    "reason-invalid",
    "The reason is missing or cannot be taken",
    "Write it as the detail says, and never with the name or data of a person.",
)
ACTOR = Problem("actor-unknown", "It is not clear who does this", "Name yourself with --actor: up to 80 ASCII characters without spaces.")
OPERATION_NOT_RECORDED = Problem(
    "operation-not-recorded",
    "The operation could not be written down, so it was not done",
    "Look at the brokers with `stadtbus kafka status`, then give the command again.",
    503,
    exit_code=3,
)
OUTCOME_UNKNOWN = Problem(
    "outcome-unknown",
    "Nobody can say what came of it",
    "What was sent stands in the retry topic and is not lost. Start the adapter with `stadtbus run adapter OFFICE`, or wait until its "
    "back office is up (`stadtbus lag`); give the command where the adapter's store is. Given again, it goes on where it stopped.",
    exit_code=3,
)
LEDGER_ELSEWHERE = Problem(
    "ledger-elsewhere",
    "The ledger of this office is not here",
    "Give the command on the machine where the adapter runs, with its settings (stores.folder or stores.url).",
    exit_code=3,
)
OUTBOX_ELSEWHERE = Problem(
    "outbox-elsewhere",
    "The gateway's outbox is not here",
    "Give the command on the machine where the gateway runs, with its settings (stores.folder or stores.url).",
    exit_code=3,
)
GROUP_HAS_MEMBERS = Problem(
    "group-has-members", "The adapter of this office is running", "Stop it first; offsets are set only while nobody reads."
)
