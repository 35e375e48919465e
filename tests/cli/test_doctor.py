"""`robustger doctor`."""

from __future__ import annotations

import json


def test_doctor_finds_this_installation_sound(robustger) -> None:
    result = robustger("doctor", "--json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    assert {"python", "robustger", "torch", "transformers", "device", "precision", "minilm"} <= {
        *report["environment"]
    }
    assert len(report["checks"]) == 5
    assert [check["name"] for check in report["checks"] if not check["passed"]] == []


def test_doctor_for_people(robustger) -> None:
    result = robustger("doctor")
    assert (result.code, result.err) == (0, "")
    assert sum(line.startswith("ok ") for line in result.out.splitlines()) == 5
    assert "FAILED" not in result.out
