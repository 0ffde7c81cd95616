"""The alarm rules, held by promtool to what they have to tell, and when."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests import monitoring

ROOT: Final = Path(__file__).parents[3]
RULES: Final = [rule for group in yaml.safe_load((monitoring.FOLDER / "rules.yml").read_text())["groups"] for rule in group["rules"]]
GEWERBE: Final = 'city="muenchen",office="muenchen.gewerbe",group="muenchen.gewerbe"'
BAU: Final = 'city="nuernberg",office="nuernberg.bau",group="nuernberg.bau"'
WATCH: Final = {"stadtbus_lagwatch_last_success_timestamp_seconds": "0+30x240"}
WELL: Final = WATCH | {
    'up{job="stadtbus-gateway"}': "1x240",
    'stadtbus_office_state{office="muenchen.gewerbe"}': "0x240",
    'stadtbus_series_held{office="muenchen.gewerbe"}': "0x240",
    f'stadtbus_consumer_verdict{{{GEWERBE},verdict="quiet"}}': "1x240",
    f'stadtbus_consumer_verdict{{{GEWERBE},verdict="unknown"}}': "0x240",
    f'stadtbus_consumer_verdict{{{GEWERBE},verdict="down"}}': "0x240",
    f'stadtbus_consumer_verdict{{{BAU},verdict="paused"}}': "1x240",
    f'stadtbus_consumer_verdict{{{BAU},verdict="unknown"}}': "0x240",
    'stadtbus_consumer_verdict{group="audit",verdict="draining"}': "1x240",
    'stadtbus_consumer_verdict{group="audit",verdict="unknown"}': "0x240",
    f"stadtbus_retention_margin_ratio{{{GEWERBE}}}": "0.97x240",
    'stadtbus_dead_letters{city="muenchen",office="muenchen.gewerbe",error_class="refused"}': "0x240",
    "stadtbus_certificate_end_timestamp_seconds": "4000000000x240",
}
"""A bus without a fault, at night: nothing comes in, one office is paused, the audit catches up. 240 steps of 30 s."""

Told = dict[str, dict[str, int]]
"""By the time since the begin: which alarms fire, and for how many."""


def verdict(name: str, values: str, labels: str = GEWERBE) -> dict[str, str]:
    """The verdict on one consumer over time, the watch working."""
    return WATCH | {f'stadtbus_consumer_verdict{{{labels},verdict="{name}"}}': values}


def one(name: str) -> dict[str, int]:
    """This alarm alone fires, once."""
    return {f"Stadtbus{name}": 1}


SITUATIONS: Final[dict[str, tuple[dict[str, str], Told]]] = {
    "a bus that is well tells nothing": (WELL, {"1m": {}, "1h": {}, "2h": {}}),
    "one back office that stops 14 adapters is one alarm, from the second minute on and until it has been well for five": (
        WATCH | {f'stadtbus_office_state{{office="muenchen.gewerbe",instance="{number}"}}': "0x3 1x15 0x40" for number in range(14)},
        {"3m": {}, "5m": one("BackOfficeDown"), "14m": one("BackOfficeDown"), "16m": {}},
    ),
    "a back office that is away for a minute is told to nobody": (
        WATCH | {'stadtbus_office_state{office="muenchen.gewerbe"}': "0x3 1x2 0x40"},
        {"2m": {}, "4m": {}, "10m": {}},
    ),
    "the brake of an office, and of one portal at it": (
        WATCH
        | {
            'stadtbus_office_state{office="muenchen.gewerbe"}': "2x60",
            'stadtbus_series_held{office="augsburg.gewerbe"}': "1x60",
            'stadtbus_office_state{office="augsburg.gewerbe"}': "0x60",
        },
        {"1m": {}, "3m": {"StadtbusOfficeHeld": 2}},
    ),
    "a watch that is gone": ({"stadtbus_lagwatch_last_success_timestamp_seconds": "0+30x4 stale"}, {"2m": {}, "4m": one("WatchDown")}),
    "a Kafka that gives no answer, and then does": (
        {"stadtbus_lagwatch_last_success_timestamp_seconds": "0+30x4 120x10 450+30x40"},
        {"3m": {}, "5m": one("KafkaAway"), "12m": {}},
    ),
    "most consumers unknown is one alarm, a few are none": (
        verdict("unknown", "0x4 1x60") | verdict("unknown", "0x4 1x60", BAU) | verdict("unknown", "0x60", 'group="audit"'),
        {"2m": {}, "4m": one("KafkaAway")},
    ),
    "one unknown consumer of three": (
        verdict("unknown", "1x60") | verdict("unknown", "0x60", BAU) | verdict("unknown", "0x60", 'group="audit"'),
        {"10m": {}},
    ),
    "one gateway of two is enough": (
        WATCH | {'up{job="stadtbus-gateway",instance="1"}': "0x60", 'up{job="stadtbus-gateway",instance="2"}': "1x20 0x40"},
        {"8m": {}, "12m": one("GatewayDown")},
    ),
    "a killed adapter is told within a minute": (verdict("down", "0x2 1x60"), {"1m": {}, "2m": one("Down")}),
    "an adapter that is restarted is told to nobody": (verdict("down", "0x2 1x0 0x60"), {"1m30s": {}, "2m": {}, "5m": {}}),
    "a recorder that is down, and the outbox that is stuck": (
        verdict("down", "1x60", 'group="audit"') | verdict("stuck", "1x60", 'group="gateway"'),
        {"3m": {"StadtbusDown": 1, "StadtbusStuck": 1}},
    ),
    "an office that is stuck": (verdict("stuck", "1x20 0x40"), {"1m": {}, "3m": one("Stuck"), "14m": one("Stuck"), "16m": {}}),
    "an office that is late": (verdict("late", "1x60"), {"4m": {}, "6m": one("Late")}),
    "records that were lost, at once": (verdict("lost", "0x2 1x60"), {"30s": {}, "2m": one("Lost")}),
    "an office that went back": (verdict("rewound", "1x60"), {"30s": {}, "2m": one("Rewound")}),
    "half of the retention is left": (
        WATCH | {f"stadtbus_retention_margin_ratio{{{GEWERBE}}}": "0.6-0.01x60"},
        {"5m": {}, "9m": {}, "11m": one("LossNear")},
    ),
    "dead letters that nobody has looked at for a quarter of an hour": (
        WATCH
        | {
            f'stadtbus_dead_letters{{city="muenchen",office="muenchen.gewerbe",error_class="{kind}"}}': f"{count}x60"
            for kind, count in (("refused", 39), ("parse", 1))
        },
        {"10m": {}, "16m": one("DeadLetters")},
    ),
    "a certificate that ends in ten days": (
        WATCH | {"stadtbus_certificate_end_timestamp_seconds": "864000x240"},
        {"30m": {}, "90m": one("CertificateEnds")},
    ),
}


def case(name: str, series: dict[str, str], told: Told) -> dict[str, Any]:
    """One situation, as promtool reads it."""
    expected = [
        {
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": at,
            "exp_samples": [{"labels": f'{{alertname="{alarm}"}}', "value": count} for alarm, count in alarms.items()],
        }
        for at, alarms in told.items()
    ]
    given = [{"series": one, "values": values} for one, values in series.items()]
    return {"name": name, "interval": "30s", "input_series": given, "promql_expr_test": expected}


def test_each_situation_is_told_when_it_has_to_be(tmp_path: Path) -> None:
    """Each alarm fires for its cause alone, when it has lasted, and ends after the cure; a bus that is well and restarts fire none."""
    tests = [case(name, *situation) for name, situation in SITUATIONS.items()]
    page = {"rule_files": [str(monitoring.FOLDER / "rules.yml")], "evaluation_interval": "30s", "tests": tests}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(page))
    assert "SUCCESS" in monitoring.run("promtool", "test", "rules", tmp_path / "tests.yml")


def test_texts_name_the_office_and_what_is_left(tmp_path: Path) -> None:
    """What a person reads has the labels and values in their places."""
    rule = next(rule for rule in RULES if rule["alert"] == "StadtbusLossNear")
    text = {name: text.replace("{{ $labels.group }}", "muenchen.gewerbe") for name, text in rule["annotations"].items()}
    text["description"] = text["description"].replace("{{ $value | humanizePercentage }}", "25%")
    labels = rule["labels"] | {"city": "muenchen", "office": "muenchen.gewerbe", "group": "muenchen.gewerbe"}
    wanted = {"alertname": rule["alert"], "eval_time": "10m", "exp_alerts": [{"exp_labels": labels, "exp_annotations": text}]}
    series = [{"series": f"stadtbus_retention_margin_ratio{{{GEWERBE}}}", "values": "0.25x60"}]
    page = {"rule_files": [str(monitoring.FOLDER / "rules.yml")], "tests": [{"input_series": series, "alert_rule_test": [wanted]}]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(page))
    monitoring.run("promtool", "test", "rules", tmp_path / "tests.yml")


def test_each_rule_is_tried_both_ways() -> None:
    """No rule is without a situation in which it fires, and one in which it does not."""
    fired = Counter(alarm for _, told in SITUATIONS.values() for alarms in told.values() for alarm in alarms)
    assert {rule["alert"] for rule in RULES} == fired.keys()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_each_rule_says_what_and_what_next(rule: dict[str, Any]) -> None:
    """A rule names a cause, what to do and a section of the runbook that is there; it waits before it tells, and before it says that all is well."""
    assert {"summary", "description", "next_step", "runbook_url"} == rule["annotations"].keys()
    assert {"severity", "level"} == rule["labels"].keys()
    assert "keep_firing_for" in rule
    assert "for" in rule or rule["alert"] == "StadtbusLost"  # which is over as soon as it is seen
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    heads = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_rules_stay_few() -> None:
    """About ten: who has to learn more of them by heart learns none."""
    assert 8 <= len(RULES) <= 14
