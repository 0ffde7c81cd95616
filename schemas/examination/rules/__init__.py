"""The rules that an XSD cannot express, as objects: named, coded, with their words in German and English, and their source.

    subject    a message with what rules hold it against          texts    the words of each rule, in German and English
    checks     a function per rule that finds what breaks it      pointers   that of what a message asks its reader to load
    here     the list of the rules, and how a breach becomes a finding

For messages of our own every breach refuses. In genuine XÖV messages, which travel unchanged, a breach of most header rules is a
recorded warning, because half of the real ones break them; `Rule.genuine` says which. No rule opens anything or reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Final

from schemas import problems
from schemas.codelists import SHIPPED
from schemas.examination.rules import checks
from schemas.examination.rules.checks import Check
from schemas.examination.rules.pointers import pointers, points_nowhere
from schemas.examination.rules.subject import Subject
from schemas.examination.rules.texts import TEXTS, RuleTexts
from schemas.findings import Breach, Finding, Paths, Severity, line_of
from schemas.problems import Problem
from schemas.schema_set import MAX_FINDINGS

ID_USED_ONCE: Final = "id-used-once"
"""Name of rule H7: the same UUID stands for the same content. It is about two messages: the outbox sees to it, and `stadtbus validate`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, with the function that finds its breaches."""

    name: str
    number: str
    """Of the conventions of XÖV that it comes from."""
    problem: Problem
    """Its hint is that of the rule in English."""
    source: str
    check: Check
    genuine: Severity | None = Severity.WARNING
    """How a breach counts in genuine XÖV messages; None: it is not asked of them."""
    own: Severity | None = Severity.ERROR
    """How a breach counts in messages of our own; None: it is not asked of them."""
    surely_kept: Callable[[Subject], bool] | None = None
    """Asked first, because it is cheap. True: the message keeps the rule, and `check` is not asked. False says nothing."""

    @property
    def texts(self) -> RuleTexts:
        """What it asks, in German and English."""
        return TEXTS[self.name]

    def finding(self, breach: Breach, severity: Severity, paths: Paths) -> Finding:
        """The breach as a finding of that severity."""
        place = f"{paths.of(breach.element)}/@{breach.attribute}" if breach.attribute else paths.of(breach.element)
        return Finding(self.problem, self.name, breach.detail, line_of(breach.element), place, severity, breach.value)


def findings(rules: Iterable[Rule], subject: Subject) -> list[Finding]:
    """The breaches of these rules in a message, rule by rule in their order, at most MAX_FINDINGS of each."""
    paths = Paths()
    return [
        rule.finding(breach, severity, paths)
        for rule in rules
        if (severity := rule.own if subject.own else rule.genuine) is not None and not (rule.surely_kept and rule.surely_kept(subject))
        for breach in islice(rule.check(subject), MAX_FINDINGS)
    ]


# --- the list

_XOEV: Final = "XÖV-Basisnachricht G2G 1.1"
_DIN: Final = "DIN 91379:2022-08"
_UAX_15: Final = "Unicode Standard Annex 15"
_all_text_fits: Final = attrgetter("all_text_fits")
_inconspicuous: Final = attrgetter("inconspicuous")

BESIDE_SCHEMA: Final = (
    Rule("no-empty-text", "H5", problems.EMPTY_TEXT, "XInneres fehlercodes 2, S030", checks.no_empty_text),
    Rule("id-is-uuid", "H7", problems.NOT_VALID, _XOEV, checks.ids_written, genuine=Severity.ERROR),
    Rule("version-known", "C2", problems.UNKNOWN_VERSION, "xbau-fehlerkennzahlen 2.2, V000", checks.version_known, genuine=None),
    Rule("attachment-count", "A1", problems.ATTACHMENT_COUNT, "Stadtbus", checks.attachment_count, genuine=None),
    Rule("attachment-hash", "A1", problems.ATTACHMENT_HASH, "FIPS 180-4", checks.attachment_hash, genuine=None),
)
"""Rules that say in better words, and with its own code, what an XSD finds as well."""

AFTER_SCHEMA: Final = (
    Rule("points-nowhere", "S1", problems.POINTS_ELSEWHERE, "Stadtbus", pointers, genuine=Severity.ERROR, surely_kept=points_nowhere),
    Rule("header-there", "H3", problems.HEADER_NOT_READ, _XOEV, checks.header_there, genuine=Severity.ERROR, own=None),
    Rule("header-once", "H3", problems.NOT_VALID, _XOEV, checks.header_once, genuine=Severity.ERROR, own=None),
    Rule("header-read", "H3", problems.HEADER_NOT_READ, "Stadtbus", checks.header_read, own=None),
    Rule("type-matches-root", "H1", problems.TYPE_MISMATCH, _XOEV, checks.type_matches_root),
    Rule("id-identifies", "H7", problems.ID_EMPTY, "RFC 9562, sections 5.9 and 5.10", checks.ids_identify, genuine=Severity.ERROR),
    Rule("time-complete", "H2", problems.TIME_INCOMPLETE, _XOEV, checks.time_complete),
    Rule("key-in-directory", "H4", problems.AUTHORITY_KEY, f"{SHIPPED.prefixes}", checks.key_in_directory),
    Rule("marks-bounded", "H6", problems.MARKS, _UAX_15, checks.marks_bounded, genuine=Severity.ERROR, surely_kept=_all_text_fits),
    Rule("text-in-nfc", "H6", problems.TEXT_NOT_NFC, _DIN, checks.text_in_nfc, surely_kept=_all_text_fits),
    Rule("din-91379", "H6", problems.CHARACTER, _DIN, checks.characters_fit, surely_kept=_all_text_fits),
    Rule("encoded-once", "H6", problems.TWICE_ENCODED, "Stadtbus", checks.encoded_once, own=Severity.WARNING, surely_kept=_all_text_fits),
    Rule("test-flag", "H8", problems.TEST_NOT_ALLOWED, _XOEV, checks.test_flag, genuine=Severity.ERROR, surely_kept=_inconspicuous),
    Rule("attachment-size", "A1", problems.ATTACHMENT_SIZE, "Stadtbus", checks.attachment_size, genuine=None, surely_kept=_inconspicuous),
    Rule(
        "attachment-type",
        "A1",
        problems.ATTACHMENT_TYPE,
        "RFC 6838, section 4.2",
        checks.attachment_type,
        genuine=None,
        surely_kept=_inconspicuous,
    ),
    Rule("attachment-name", "A1", problems.ATTACHMENT_NAME, "Stadtbus", checks.attachment_name, genuine=None, surely_kept=_inconspicuous),
    Rule(
        "code-list-known",
        "C1",
        problems.CODE_LIST,
        "xbau-fehlerkennzahlen 2.2, X010",
        checks.lists_known,
        genuine=None,
        surely_kept=_inconspicuous,
    ),
    Rule(
        "service-known",
        "C1",
        problems.UNKNOWN_SERVICE,
        "catalogue",
        checks.refused_by_catalogue(problems.UNKNOWN_SERVICE, "leistung/code"),
        genuine=Severity.ERROR,
    ),
    Rule(
        "area-known",
        "C1",
        problems.UNKNOWN_AREA,
        "catalogue",
        checks.refused_by_catalogue(problems.UNKNOWN_AREA, "gebiet/code"),
        genuine=Severity.ERROR,
    ),
    Rule(
        "code-known", "C1", problems.CODE, "xbau-fehlerkennzahlen 2.2, X011", checks.codes_known, genuine=None, surely_kept=_inconspicuous
    ),
    Rule(
        "service-offered",
        "H3",
        problems.NO_ROUTE,
        "catalogue",
        checks.refused_by_catalogue(problems.NO_ROUTE, "gebiet/code"),
        genuine=Severity.ERROR,
    ),
    Rule("reader-agrees", "H3", problems.READER_MISMATCH, "XInneres fehlercodes 2, T080", checks.reader_agrees, genuine=Severity.ERROR),
    Rule("form-fits", "C3", problems.FORM_MISFIT, "catalogue", checks.form_fits, genuine=None),
)
"""Rules that the XSD knows nothing of. They are asked of invalid messages too, and pass over what is missing."""

RULES: Final = (*BESIDE_SCHEMA, *AFTER_SCHEMA)
