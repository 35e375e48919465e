"""`robustger serve`: the HTTP service."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from robustger.cli import llm_server_options, options

_LISTENING = "Listening"
_LIMITS = "Limits"
_BATCHES = "Batches"


def _setting(metavar: str | None, text: str, panel: str) -> Any:
    return typer.Option(metavar=metavar, help=text, rich_help_panel=panel)


def serve(
    preset: options.OptionalPresetOption = None,
    host: Annotated[
        str | None,
        _setting("ADDRESS", "Listen on this address. Default: 127.0.0.1, this machine alone.", _LISTENING),
    ] = None,
    port: Annotated[
        int | None, _setting("N", "Listen on this port; 0 takes a free one. Default: 8000.", _LISTENING)
    ] = None,
    api_key: Annotated[
        str | None,
        _setting(
            "KEY",
            "Answer only requests that bring this key. Better set it as ROBUSTGER_API_KEY, because other users of the "
            "machine can see the options of a command. Default: no key.",
            _LISTENING,
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        _setting(
            "URL", "Let pages of this origin call the service; may be repeated. Default: none.", _LISTENING
        ),
    ] = None,
    log_transcripts: Annotated[
        bool | None,
        _setting(None, "Write the texts into the log. Default: the log holds none.", _LISTENING),
    ] = None,
    batch_size: Annotated[
        int | None,
        _setting(
            "N", "Work on this many stretches of speech at once, of all requests. Default: 16.", _BATCHES
        ),
    ] = None,
    batch_wait_seconds: Annotated[
        float | None,
        _setting(
            "SECONDS",
            "Let a batch wait this long while recordings that may join it are being read. Default: 0.02.",
            _BATCHES,
        ),
    ] = None,
    readers: Annotated[
        int | None, _setting("N", "Decode recordings in this many threads. Default: 2.", _BATCHES)
    ] = None,
    idle_seconds: Annotated[
        float | None,
        _setting("SECONDS", "Unload the models when nothing came for so long. Default: keep them.", _BATCHES),
    ] = None,
    max_requests: Annotated[
        int | None,
        _setting("N", "Answer 503 when this many requests are worked on or wait. Default: 128.", _LIMITS),
    ] = None,
    max_upload_mib: Annotated[
        float | None, _setting("MIB", "Refuse larger uploads, before they are read. Default: 200.", _LIMITS)
    ] = None,
    max_audio_seconds: Annotated[
        float | None, _setting("SECONDS", "Refuse longer recordings. Default: 7200.", _LIMITS)
    ] = None,
    max_job_upload_mib: Annotated[
        float | None, _setting("MIB", "As --max-upload-mib, for jobs. Default: 2048.", _LIMITS)
    ] = None,
    max_job_audio_seconds: Annotated[
        float | None, _setting("SECONDS", "As --max-audio-seconds, for jobs. Default: 86400.", _LIMITS)
    ] = None,
    max_held_mib: Annotated[
        float | None,
        _setting("MIB", "Answer 503 when all uploads together take more than this. Default: 4096.", _LIMITS),
    ] = None,
    max_lists: Annotated[
        int | None, _setting("N", "Refuse requests with more lists to correct. Default: 1000.", _LIMITS)
    ] = None,
    upload_seconds: Annotated[
        float | None,
        _setting(
            "SECONDS",
            "Give a client this long to send its request, and a second more for each 100 KiB. Default: 60.",
            _LIMITS,
        ),
    ] = None,
    deadline_seconds: Annotated[
        float | None, _setting("SECONDS", "Answer 408 when an answer takes longer. Default: 120.", _LIMITS)
    ] = None,
    deadline_per_audio_second: Annotated[
        float | None,
        _setting(
            "SECONDS", "Add this to the deadline for each second of the recording. Default: 10.", _LIMITS
        ),
    ] = None,
    jobs_folder: Annotated[
        str | None,
        _setting(
            "FOLDER",
            "Keep jobs and their recordings here. Default: robustger/jobs in $XDG_STATE_HOME or ~/.local/state.",
            _LIMITS,
        ),
    ] = None,
    max_jobs: Annotated[
        int | None, _setting("N", "Answer 503 when this many jobs are not finished. Default: 100.", _LIMITS)
    ] = None,
    keep_jobs_hours: Annotated[
        float | None, _setting("HOURS", "Delete the results of jobs after this time. Default: 24.", _LIMITS)
    ] = None,
    recognizer: options.RecognizerOption = None,
    model: options.ModelOption = None,
    second_recognizer: options.SecondRecognizerOption = None,
    n: options.NOption = None,
    beams: options.BeamsOption = None,
    checkpoint: options.CheckpointOption = None,
    base: options.BaseOption = None,
    guard: options.GuardOption = None,
    max_edit_rate: options.MaxEditRateOption = None,
    max_deletion_rate: options.MaxDeletionRateOption = None,
    min_gain: options.MinGainOption = None,
    llm_server: llm_server_options.LlmServerOption = None,
    llm_model: llm_server_options.LlmModelOption = None,
    llm_timeout: Annotated[
        float | None,
        _setting(
            "SECONDS",
            "Wait this long for its answers; other requests wait, too. Default: 20.",
            options.LLM_SERVER,
        ),
    ] = None,
    llm_retries: Annotated[
        int | None,
        _setting("N", "Ask this often again when it fails. Default: 1.", options.LLM_SERVER),
    ] = None,
    llm_concurrency: Annotated[
        int | None, _setting("N", "Ask it about this many lists at once. Default: 8.", options.LLM_SERVER)
    ] = None,
    llm_max_tokens: Annotated[
        int | None,
        _setting("N", "Let it write at most this many tokens for a list. Default: 1024.", options.LLM_SERVER),
    ] = None,
    device: options.DeviceOption = None,
    quantization: options.QuantizationOption = None,
) -> None:
    """Serve transcriptions and corrections over HTTP, by the interface of OpenAI's service, and a page to try them.

    Every option may also stand in the environment: --max-requests as ROBUSTGER_MAX_REQUESTS, and so on. SIGTERM and
    Ctrl-C end the service when the requests that it has accepted are answered; jobs go on at the next start.
    """
    given: dict[str, Any] = dict(locals())
    given["cors_origins"] = tuple(given.pop("cors_origin") or ()) or None

    try:
        import uvicorn

        from robustger.service import ServiceSettings, create_app
        from robustger.service.logs import log_as_json
    except ModuleNotFoundError as error:
        from robustger.errors import MissingExtraError

        raise MissingExtraError(str(error.name), "serve") from None

    from robustger.cli.quiet import quiet_libraries

    settings = ServiceSettings.from_environment(given)
    app = create_app(settings)
    app.state.job_store.open()  # a folder that cannot be used is told before the models are loaded
    quiet_libraries()
    log_as_json()
    uvicorn.run(app, host=settings.host, port=settings.port, log_config=None, access_log=False)
