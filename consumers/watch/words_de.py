"""The texts of the watch in German (`texts.py` says what each is)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from consumers.watch.model import EvidenceCode as E
from consumers.watch.model import Party, SubReason, Verdict
from consumers.watch.observed import Kind
from consumers.watch.texts import Texts, Told

_START = "Starten (`stadtbus run adapter {name}`) und am Ende seines Protokolls nachsehen, warum er geendet hat"
_START_RECORDER = "Starten (`stadtbus run {name}`) und am Ende des Protokolls nachsehen, warum der Prozess geendet hat"
_START_GATEWAY = "Starten (`stadtbus run gateway`) und am Ende des Protokolls nachsehen; läuft es, ist es von Kafka abgeschnitten: Portale merken dann nichts"
_LOST_RECORDER = "Dort fehlen sie auf Dauer, bei den Fachverfahren nicht: mit dem Postausgang vergleichen und klären, wer sie gelöscht oder verschoben hat"
_ITSELF = "Nichts: es geht von selbst weiter"

_TOLD: Final = {
    (Verdict.UNKNOWN, None, None): Told("nicht zu beurteilen", "Im Protokoll der Wache nachsehen"),
    (Verdict.UNKNOWN, SubReason.KAFKA_AWAY, None): Told(
        "nicht zu beurteilen, Kafka antwortet nicht",
        "Die Broker wieder starten; alles geht dann von selbst weiter, und das Gateway nimmt solange an",
    ),
    (Verdict.UNKNOWN, SubReason.NOT_ASKED, None): Told(
        "nicht zu beurteilen, die Wache bekommt darüber keine Antwort",
        "Im Protokoll der Wache nachsehen: ihre Rechte, ihr Netz, oder sie hat eben erst begonnen",
    ),
    (Verdict.UNKNOWN, SubReason.NOT_SAID, None): Told(
        "was im Postausgang wartet, ist nicht bekannt, die Wache kann die Lebenszeichen nicht lesen",
        "Das Gateway dort fragen, wo es läuft: `stadtbus status`",
    ),
    (Verdict.UNKNOWN, SubReason.TOPICS, None): Told(
        "kann nicht arbeiten, seine Topics fehlen oder haben keinen Broker",
        "`stadtbus topics plan` sagt, was fehlt, `stadtbus topics apply` legt es an",
    ),
    (Verdict.LOST, None, None): Told(
        "Einreichungen waren aus Kafka verschwunden, bevor sie zugestellt wurden",
        "Den Adapter starten, falls er steht; dann aus dem Postausgang neu senden: `stadtbus outbox republish {name}`; "
        "klären, wer sie gelöscht oder verschoben hat",
    ),
    (Verdict.LOST, None, Kind.RECORDER): Told("Einträge waren aus Kafka verschwunden, bevor er sie gelesen hat", _LOST_RECORDER),
    (Verdict.LOST, SubReason.LOG_SHORTENED, None): Told(
        "das Log endet vor dem, was erledigt war: Kafka hat sein Ende verloren, oder das Topic wurde neu angelegt",
        "Den Adapter anhalten: `stadtbus offsets reset {name}` zeigt, was Kafka und das Zustellbuch wissen, und setzt es mit `--go`; ihn starten, dann `stadtbus outbox republish {name}`",
    ),
    (Verdict.LOST, SubReason.LOG_SHORTENED, Kind.RECORDER): Told(
        "das Log endet vor dem, was gelesen war: Kafka hat sein Ende verloren, oder das Topic wurde neu angelegt", _LOST_RECORDER
    ),
    (Verdict.LOST, SubReason.NOTED, None): Told(
        "Einreichungen waren aus Kafka verschwunden, bevor sie zugestellt wurden, und es ging hinter ihnen weiter",
        "Aus dem Postausgang neu senden: `stadtbus outbox republish {name}`; `stadtbus offsets reset {name}` sagt danach, bei angehaltenem Adapter, dass es bekannt ist",
    ),
    (Verdict.PAUSED, SubReason.BY_OPERATOR, None): Told(
        "vom Betrieb angehalten", "`stadtbus office resume {name} --reason … --go`, sobald der Grund entfallen ist"
    ),
    (Verdict.PAUSED, SubReason.MAINTENANCE, None): Told(
        "wegen Wartung angehalten", "Nichts: es geht am Ende des Fensters von selbst weiter"
    ),
    (Verdict.PAUSED, SubReason.CLOSED, None): Told("geschlossen", "Jetzt nichts: was wartet, wird beurteilt, wenn das Amt öffnet"),
    (Verdict.DOWN, None, None): Told("niemand nimmt, was wartet", _START),
    (Verdict.DOWN, SubReason.KILLED, None): Told(
        "niemand nimmt, was wartet, der Prozess schweigt, ohne sich abgemeldet zu haben",
        f"{_START}; läuft er, hängt er oder ist von Kafka abgeschnitten",
    ),
    (Verdict.DOWN, SubReason.KILLED, Kind.RECORDER): Told(
        "niemand verzeichnet, was wartet, der Prozess schweigt, ohne sich abgemeldet zu haben",
        f"{_START_RECORDER}; läuft er, hängt er oder ist von Kafka abgeschnitten",
    ),
    (Verdict.DOWN, SubReason.KILLED, Kind.OUTBOX): Told("kein Gateway meldet sich, das letzte hat sich nicht abgemeldet", _START_GATEWAY),
    (Verdict.DOWN, SubReason.STOPPED, None): Told("niemand nimmt, was wartet, der Prozess wurde beendet", _START),
    (Verdict.DOWN, SubReason.STOPPED, Kind.RECORDER): Told("niemand verzeichnet, was wartet, der Prozess wurde beendet", _START_RECORDER),
    (Verdict.DOWN, SubReason.STOPPED, Kind.OUTBOX): Told(
        "das Gateway wurde beendet, Portale finden niemanden", "Starten: `stadtbus run gateway`"
    ),
    (Verdict.DOWN, SubReason.NEVER_STARTED, None): Told("niemand nimmt, was wartet, von einem Prozess ist nichts zu hören", _START),
    (Verdict.DOWN, SubReason.NEVER_STARTED, Kind.RECORDER): Told(
        "niemand verzeichnet, was wartet, von einem Prozess ist nichts zu hören", _START_RECORDER
    ),
    (Verdict.DOWN, SubReason.NEVER_STARTED, Kind.OUTBOX): Told("von einem Gateway ist nichts zu hören", "Starten: `stadtbus run gateway`"),
    (Verdict.DOWN, SubReason.NO_MEMBERS, None): Told(
        "niemand nimmt, was wartet; vielleicht läuft ein Prozess, in seiner Gruppe ist keiner",
        "In seinem Protokoll nachsehen: er kommt nicht in die Gruppe (Rechte, Kafka) oder hat eben begonnen",
    ),
    (Verdict.DOWN, None, Kind.RECORDER): Told("niemand verzeichnet, was wartet", _START_RECORDER),
    (Verdict.REWOUND, None, None): Told(
        "die Offsets gingen zurück, und keine Handlung des Betriebs sagt, wer es war",
        "Doppelt zugestellt wird nichts, das Zustellbuch weiß, was erledigt ist. Klären, wer die Gruppe zurückgesetzt hat: "
        "`stadtbus operations list` hat es nicht gesehen",
    ),
    (Verdict.REWOUND, None, Kind.RECORDER): Told(
        "die Offsets gingen zurück, und keine Handlung des Betriebs sagt, wer es war",
        "Doppelt gezählt wird nichts, der Speicher weiß, wie weit er ist. Klären, wer die Gruppe zurückgesetzt hat oder aus welcher Sicherung er stammt",
    ),
    (Verdict.STUCK, None, None): Told("kommt nicht voran", "In seinem Protokoll nachsehen"),
    (Verdict.STUCK, SubReason.BACK_OFFICE_DOWN, None): Told(
        "das Fachverfahren antwortet nicht",
        "Den Betreuern des Fachverfahrens Bescheid geben. Sonst nichts: der Adapter sieht von selbst nach "
        "und macht binnen einer Minute weiter, wenn es wieder da ist",
    ),
    (Verdict.STUCK, SubReason.HELD, None): Told(
        "von der Bremse angehalten, alles wird zurückgewiesen",
        "`stadtbus deadletters list {name}` zeigt die Ursache; beheben, dann `stadtbus office release {name} --reason … --go`",
    ),
    (Verdict.STUCK, SubReason.POISON, None): Told(
        "kommt nicht voran, eine Einreichung scheitert immer wieder",
        "Im Protokoll zu dieser Stelle nachsehen; das Fachverfahren fragen, was es gegen sie hat",
    ),
    (Verdict.STUCK, SubReason.HUNG, None): Told(
        "kommt nicht voran, der Prozess sagt, dass er läuft, und liest nichts",
        "Neu starten: es geht nichts verloren und nichts geschieht doppelt. Das Protokoll aufheben",
    ),
    (Verdict.STUCK, SubReason.UNFIT, None): Told(
        "kommt nicht voran, der Prozess sagt selbst, warum", "Wie er sagt; docs/operations.md hat zu jedem einen Abschnitt"
    ),
    (Verdict.STUCK, SubReason.WAITING, None): Told(
        "kommt nicht voran, eine Einreichung hält alle hinter ihr auf",
        "Im Protokoll nachsehen und das Fachverfahren fragen: eine Antwort steht aus; nach `delivery.attempt_timeout_s` wird der Vorgang geparkt",
    ),
    (Verdict.STUCK, SubReason.WAITING, Kind.RECORDER): Told(
        "kommt nicht voran, obwohl der Prozess läuft", "In Protokoll und Speicher nachsehen; neu starten"
    ),
    (Verdict.STUCK, SubReason.NOT_TAKEN, None): Told(
        "kommt nicht voran, die Prozesse laufen, und keiner hat diese Partition",
        "Eine Minute warten, wenn einer eben begonnen hat; sonst neu starten: vielleicht ist jemand anderes in der Gruppe",
    ),
    (Verdict.STUCK, SubReason.OPEN_TRANSACTION, None): Told(
        "kommt nicht voran, auf seinem Topic ist eine fremde Transaktion offen",
        "Klären, wer dort schreibt; Kafka beendet sie nach ihrer Frist, `kafka-transactions abort` sofort",
    ),
    (Verdict.STUCK, SubReason.BLIND, None): Told(
        "kommt nicht voran, und wer in seiner Gruppe ist, gibt kein Lebenszeichen",
        "Nachsehen, welches Programm in der Gruppe ist; ist es unseres, neu starten und sein Protokoll lesen",
    ),
    (Verdict.STUCK, SubReason.REFUSED, None): Told(
        "Kafka weist zurück, was das Gateway veröffentlicht",
        "`stadtbus topics plan` zeigt die Abweichung; alles andere geht weiter, verloren ist nichts",
    ),
    (Verdict.STUCK, SubReason.NOT_PUBLISHED, None): Told(
        "angenommene Einreichungen kommen nicht zu Kafka", "Wie das Gateway sagt; es versucht es von selbst weiter, verloren ist nichts"
    ),
    (Verdict.LATE, None, None): Told(
        "stellt zu, aber später als zugesagt",
        "Nachsehen, wie schnell das Fachverfahren antwortet. Verloren ist nichts; ein zweiter Adapter hilft, wenn es mehr zugleich verträgt",
    ),
    (Verdict.LATE, None, Kind.RECORDER): Told(
        "verzeichnet, aber später als zugesagt", "In Protokoll und Speicher nachsehen; neu starten, wenn es nicht vorangeht"
    ),
    (Verdict.LATE, None, Kind.OUTBOX): Told("veröffentlicht, aber langsam", "Protokoll und Speicher des Gateways und Kafka ansehen"),
    (Verdict.SLOW, None, None): Told(
        "bekommt mehr, als es erledigt, und wird die Zusage nicht halten",
        "Nachsehen, wie schnell das Fachverfahren antwortet, und wer so viel sendet",
    ),
    (Verdict.DRAINING, None, None): Told("arbeitet auf, was sich angesammelt hat", _ITSELF),
    (Verdict.FLAPPING, None, None): Told(
        "seine Prozesse kommen und gehen", "In den Protokollen nachsehen, warum sie enden; bei jedem Wechsel halten alle kurz an"
    ),
    (Verdict.QUIET, None, None): Told(
        "länger als üblich kam nichts herein", "Nichts, wenn der Grund bekannt ist; sonst die Portale fragen"
    ),
    (Verdict.OK, None, None): Told("arbeitet", "Nichts"),
}

_BESIDE: Final = {
    E.DEAD_LETTERS: Told("unzustellbare Einreichungen warten auf einen Menschen", "`stadtbus deadletters list {name}` zeigt sie und ihre Ursachen"),
    E.SERIES_HELD: Told(
        "eine Serie ist angehalten, weil alles aus ihr zurückgewiesen wird",
        "`stadtbus deadletters list {name}` zeigt die Ursache; beheben, dann `stadtbus office release {name} --reason … --go`",
    ),
    E.PARKED: Told("Einreichungen sind schon lange geparkt", "`stadtbus find --office {name} --state parked` nennt sie; das Fachverfahren fragen, worauf sie warten"),
    E.LOSS_NEAR: Told(
        "Kafka wird Einreichungen löschen, bevor sie zugestellt sind",
        "Zum Laufen bringen oder rechtzeitig die Aufbewahrung des Topics verlängern (`kafka-configs --alter`)",
    ),
    E.NO_COMMIT: Told(
        "Kafka hat vergessen, wie weit es war, und alte Einträge sind weg",
        "Bei angehaltenem Adapter zeigt `stadtbus offsets reset {name}`, was das Zustellbuch weiß; ob etwas fehlt, weiß der Postausgang: `stadtbus outbox republish {name}`",
    ),
    E.PARTITIONS_UNKNOWN: Told("einige seiner Partitionen sind nicht zu sehen", "Nach den Brokern sehen: `stadtbus kafka status` oder die Werkzeuge des Clusters"),
    E.TOPIC_FAULT: Told("mit seinen Topics stimmt etwas nicht", "`stadtbus topics plan` zeigt die Abweichung"),
    E.FINDING: Told("arbeitet, und sein Prozess sagt, dass etwas nicht stimmt", "Wie er sagt; docs/operations.md hat zu jedem einen Abschnitt"),
    E.PROCESS_GONE: Told("arbeitet, und einer seiner Prozesse ist weg", "Neu starten und am Ende seines Protokolls nachsehen"),
    E.NOBODY_THERE: Told("nichts wartet, und niemand ist da, der etwas nähme", _START),
    E.LANE: Told("einiges, was es bekommen soll, kommt nicht zu Kafka", "Siehe die Zeile des Gateways"),
    E.PROBE: Told("arbeitet, und die letzte Probe kam nicht bis zum Fachverfahren", "Die Betreuer des Fachverfahrens fragen: es hat an seiner Tür nicht geantwortet"),
    E.PAUSED_BY: Told("vom Betrieb angehalten, und Einreichungen warten schon zu lange", "`stadtbus office resume {name} --reason … --go`, oder sagen, bis wann"),
}  # fmt: skip

_EVIDENCE: Final = {
    E.AS_OF: "[zuletzt bekannt {at} (vor {age})]",
    E.BROKER_AWAY: "Broker {of} antwortet nicht[: {said}]",
    E.CALL_FAILED: "[Kafka antwortet: {of}]",
    E.PARTITIONS_UNKNOWN: "{of} ist nicht bekannt[: {said}]|{count} Partitionen sind nicht bekannt: {of}[ ({said})]",
    E.TOPIC_FAULT: "{of}",
    E.RECORDS_LOST: "{count} Eintrag in {of}|{count} Einträge in {of}",
    E.LOSS_NEAR: "der älteste in {of} wird {until} gelöscht (in {left})",
    E.PAUSED_BY: "von {of}[, bis {until}]: {said}",
    E.WINDOW: "[bis {until}: ]{said}",
    E.CLOSED_UNTIL: "[öffnet {until}]",
    E.HIDDEN: "sonst hieße es: {of}",
    E.LAST_HEARTBEAT: "{of} zuletzt gehört {at} (vor {age})",
    E.NO_HEARTBEAT: "kein Prozess von uns meldet sich",
    E.STOPPED: "{of} hat sich {at} abgemeldet",
    E.MEMBERS: "[{count} Mitglied in seiner Gruppe]|[{count} Mitglieder in seiner Gruppe]",
    E.NOBODY_THERE: "kein Prozess ist in seiner Gruppe[, der letzte war {at} zu hören]",
    E.LAST_COMMIT: "zuletzt vorangekommen {at} (vor {age})",
    E.NO_COMMIT: "in {of} ist nichts vermerkt; gezählt ab dem Anfang des Logs ({count})",
    E.OLDEST: "{count} wartet[, seit {at} ({age})]|{count} warten[, die älteste seit {at} ({age})]",
    E.WENT_BACK: "{of} um {at}",
    E.STANDS_AT: "steht bei {of} seit {at} ({age})",
    E.ATTEMPTS: "{count} Versuch|{count} Versuche",
    E.BREAKER_OPEN: "[es heißt: {said}]",
    E.OFFICE_HELD: "[es heißt: {said}]",
    E.SERIES_HELD: "{of} ist seit {at} angehalten: {said}",
    E.LAST_POLL: "{of} hat Kafka zuletzt {at} gefragt (vor {age})",
    E.FINDING: "es heißt: {of}: {said}",
    E.TRANSACTION: "in {of} ist eine Transaktion offen",
    E.TARGET: "zugesagt: binnen {duration}",
    E.RATE: "{rate} werden je Sekunde erledigt",
    E.BREACH_AT: "geht es so weiter, wartet ab {until} länger als {duration}, was hereinkommt",
    E.ETA: "fertig {until} (in {left})",
    E.GROUP_CHANGES: "{count} Wechsel in {duration} (Mitglieder {of}), der letzte {at}",
    E.LAST_RECORD: "zuletzt kam etwas {at} herein (vor {age})",
    E.USUAL_GAP: "üblich nach so einem Tag: {duration} der Öffnungszeit",
    E.NOT_IN_USE: "niemand betreibt es, und es wurde nie etwas dorthin gesendet",
    E.PROBE: "letzte Probe {at}, {duration} bis zur Tür des Fachverfahrens[: {said}]",
    E.DEAD_LETTERS: "{count} unzustellbar[, seit {at} ({age})]|{count} unzustellbar[, die älteste seit {at} ({age})]",
    E.DEAD_LETTERS_UNKNOWN: "wie viele unzustellbar sind, ist nicht bekannt",
    E.PARKED: "{count} geparkt[, seit {at} ({age})]|{count} geparkt[, die älteste seit {at} ({age})]",
    E.LANE: "{of}: {count} nicht bei Kafka[, die älteste seit {at} ({age})][: {said}]",
    E.PROCESS_GONE: "{of} zuletzt gehört {at} (vor {age})",
}  # fmt: skip

TEXTS: Final = Texts(
    since="seit",
    fault="Zu beheben durch",
    next_step="Weiter",
    days=("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"),
    verdicts=MappingProxyType(
        {
            Verdict.UNKNOWN: "unbekannt",
            Verdict.LOST: "verloren",
            Verdict.PAUSED: "angehalten",
            Verdict.DOWN: "niemand da",
            Verdict.REWOUND: "zurückgesetzt",
            Verdict.STUCK: "steht",
            Verdict.LATE: "verspätet",
            Verdict.SLOW: "zu langsam",
            Verdict.DRAINING: "holt auf",
            Verdict.FLAPPING: "flattert",
            Verdict.QUIET: "still",
            Verdict.OK: "ok",
        }
    ),
    parties=MappingProxyType(
        {
            Party.NOBODY: "",
            Party.BACK_OFFICE: "das Fachverfahren",
            Party.ADAPTER: "wer den Adapter betreibt",
            Party.RECORDER: "wer den Prozess betreibt",
            Party.GATEWAY: "wer das Gateway betreibt",
            Party.KAFKA: "wer Kafka betreibt",
            Party.PORTAL: "das Portal",
            Party.OPERATOR: "den Betrieb",
            Party.WATCH: "wer die Wache betreibt",
        }
    ),
    told=MappingProxyType(_TOLD),
    beside=MappingProxyType(_BESIDE),
    evidence=MappingProxyType(_EVIDENCE),
)
