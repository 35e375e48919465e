"""`robustger doctor`: shows what is installed and where it runs, and checks the arithmetic on this machine."""

from __future__ import annotations

import json

import typer

from robustger.cli import options


def doctor(as_json: options.JsonOption = False) -> None:
    """Show versions, device and models, and run a self-test of about 5 s.

    The exit code is 1 if a check fails.
    """
    from robustger.cli.quiet import quiet_libraries
    from robustger.correction.selftest import environment, run_checks

    quiet_libraries()
    facts = environment()
    checks = run_checks()
    if as_json:
        typer.echo(
            json.dumps({"environment": facts, "checks": [check.to_dict() for check in checks]}, indent=2)
        )
    else:
        for name, value in facts.items():
            typer.echo(f"{name:<16} {value}")
        for check in checks:
            typer.echo(f"{'ok' if check.passed else 'FAILED':<16} {check.name}: {check.detail}")
    if not all(check.passed for check in checks):
        raise typer.Exit(1)
