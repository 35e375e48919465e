"""`robustger serve`: the HTTP service."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from robustger.cli import options


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Listen on this address. Default: 127.0.0.1, this machine alone."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", help="Listen on this port; 0 takes a free one. Default: 8000.")
    ] = None,
    preset: options.OptionalPresetOption = None,
) -> None:
    """Serve."""
    given: dict[str, Any] = dict(locals())

    import uvicorn

    from robustger.service import ServiceSettings, create_app
    from robustger.service.logs import log_as_json

    settings = ServiceSettings.from_environment(given)
    app = create_app(settings)
    log_as_json()
    uvicorn.run(app, host=settings.host, port=settings.port, log_config=None, access_log=False)
