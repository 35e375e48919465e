"""The settings of the service, from flags and from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from robustger.correction.endpoint.llm_server import LlmServer
from robustger.errors import InputError

PREFIX = "ROBUSTGER_"
MEBIBYTE = 1024 * 1024


def _jobs_folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "robustger" / "jobs"


class ServiceSettings(BaseModel):
    """All settings of the service; each may stand in the environment as ROBUSTGER_ and its name in capitals.

    Attributes:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        preset: the preset whose models are used.
        recognizer: another kind of recognizer than the preset's.
        model: other weights for the recognizer.
        second_recognizer: the Whisper model that scores the hypotheses, too; "none" goes without it.
        checkpoint: another corrector.
        base: another place of the corrector's language model.
        quantization: how the language model's weights are stored.
        device: where the models run; None takes the GPU if there is one.
        n: hypotheses per list; None takes the preset's number.
        beams: width of the beam search; None takes the preset's number.
        guard: the guard of the corrector; None takes the checkpoint's.
        max_edit_rate: a threshold of the guard; None takes the guard's own.
        max_deletion_rate: another one.
        min_gain: another one.
        llm_server: the URL of the endpoint of a language model that writes the proposals; see
            `robustger.correction.endpoint.llm_server`.
        llm_model: the name of that language model.
        llm_key: the key that is sent there.
        llm_timeout: the longest that a request may take there, in seconds.
        llm_retries: how often a failed request is made again.
        llm_concurrency: requests that wait for their answers at the same time.
        llm_max_tokens: the most tokens that may be written for one list.
        api_key: the key that requests must bring; None asks for none.
        cors_origins: the origins whose pages may call the service; "*" allows all, and none is the default.
        batch_size: the most excerpts or lists that are worked on together.
        batch_wait_seconds: how long a batch waits for recordings that are being read; a lone request never waits.
        max_requests: requests that are worked on or wait; one more gets 503.
        max_upload_mib: the largest body of a request, in MiB.
        max_audio_seconds: the longest recording of a transcription.
        max_job_upload_mib: the largest body of a job, in MiB.
        max_job_audio_seconds: the longest recording of a job.
        max_jobs: jobs that are not finished; one more gets 503.
        max_held_mib: the most that the bodies of all requests together take, in memory and temporary files, in MiB.
        max_lists: the most lists in a request for corrections.
        upload_seconds: the time that a client has to send its body; the size adds to it, at 100 KiB a second.
        deadline_seconds: the time for an answer, counted from the end of the upload.
        deadline_per_audio_second: seconds that each second of the recording adds to this time.
        idle_seconds: the models are unloaded after this time without requests; None keeps them.
        jobs_folder: where jobs and their recordings are kept.
        keep_jobs_hours: results of jobs are deleted after this time.
        readers: threads that decode recordings.
        log_transcripts: whether the log shows the texts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    preset: str = "whisper"
    recognizer: str | None = None
    model: str | None = None
    second_recognizer: str | None = None
    checkpoint: str | None = None
    base: str | None = None
    quantization: str | None = None
    device: str | None = None
    n: int | None = Field(None, ge=1, le=50)
    beams: int | None = Field(None, ge=1, le=100)
    guard: str | None = None
    max_edit_rate: float | None = Field(None, ge=0)
    max_deletion_rate: float | None = Field(None, ge=0)
    min_gain: float | None = None
    llm_server: str | None = None
    llm_model: str | None = None
    llm_key: SecretStr | None = None
    llm_timeout: float = Field(20, gt=0)
    llm_retries: int = Field(1, ge=0)
    llm_concurrency: int = Field(8, ge=1)
    llm_max_tokens: int = Field(1024, ge=1)
    api_key: SecretStr | None = None
    cors_origins: tuple[str, ...] = ()
    batch_size: int = Field(16, ge=1, le=256)
    batch_wait_seconds: float = Field(0.02, ge=0, le=10)
    max_requests: int = Field(128, ge=1)
    max_upload_mib: float = Field(200, gt=0)
    max_audio_seconds: float = Field(2 * 3600, gt=0)
    max_job_upload_mib: float = Field(2048, gt=0)
    max_job_audio_seconds: float = Field(24 * 3600, gt=0)
    max_jobs: int = Field(100, ge=1)
    max_held_mib: float = Field(4096, gt=0)
    max_lists: int = Field(1000, ge=1)
    upload_seconds: float = Field(60, gt=0)
    deadline_seconds: float = Field(120, gt=0)
    deadline_per_audio_second: float = Field(10, ge=0)
    idle_seconds: float | None = Field(None, gt=0)
    jobs_folder: Path = Field(default_factory=_jobs_folder)
    keep_jobs_hours: float = Field(24, gt=0)
    readers: int = Field(2, ge=1, le=64)
    log_transcripts: bool = False

    @classmethod
    def from_environment(
        cls, given: Mapping[str, Any] = {}, environment: Mapping[str, str] | None = None
    ) -> ServiceSettings:
        """The settings: what is given, then what stands in the environment, then the defaults.

        Args:
            given: settings by their names; None means that a setting is not given.
            environment: the environment variables; None takes those of the process.

        Raises:
            InputError: a value that does not fit; its name, but never a key's value, is told.
        """
        environment = os.environ if environment is None else environment
        found: dict[str, Any] = {}
        for name in cls.model_fields:
            text = environment.get(PREFIX + name.upper(), "")
            if name == "port" and "://" in text:
                continue  # Kubernetes sets ROBUSTGER_PORT=tcp://... for a service that is called robustger
            if text:
                found[name] = tuple(text.replace(",", " ").split()) if name == "cors_origins" else text
        found |= {name: value for name, value in given.items() if value is not None}
        try:
            return cls(**found)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = str(first["loc"][0])
            raise InputError(
                f"--{name.replace('_', '-')} (or {PREFIX}{name.upper()}): {first['msg'].lower()}"
            ) from None

    def most_bytes(self, path: str) -> int:
        """The largest body of a request to an address."""
        if path.startswith("/v1/jobs"):
            return int(self.max_job_upload_mib * MEBIBYTE)
        if path.startswith("/v1/audio"):
            return int(self.max_upload_mib * MEBIBYTE)
        return min(int(self.max_upload_mib * MEBIBYTE), 16 * MEBIBYTE)

    @property
    def endpoint(self) -> LlmServer | None:
        """The language model that writes the proposals; None where that is the corrector's own.

        Raises:
            InputError: the address without the name or the name without the address, or a value that is refused.
        """
        return LlmServer.chosen(
            self.llm_server,
            self.llm_model,
            key=None if self.llm_key is None else self.llm_key.get_secret_value(),
            timeout_seconds=self.llm_timeout,
            retries=self.llm_retries,
            concurrency=self.llm_concurrency,
            max_tokens=self.llm_max_tokens,
        )

    @property
    def correction(self) -> dict[str, Any]:
        """The options of `Corrector.correct`."""
        names = ("max_edit_rate", "max_deletion_rate", "min_gain")
        changes = {name: value for name in names if (value := getattr(self, name)) is not None}
        found: dict[str, Any] = {"guard_changes": changes} if changes else {}
        return found | ({"guard": self.guard} if self.guard else {})

    @property
    def preset_name(self) -> str:
        """The name of the preset, without the folders of its path."""
        return Path(self.preset).name or self.preset
