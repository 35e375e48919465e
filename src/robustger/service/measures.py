"""The figures of GET /metrics, in the format of Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from robustger.pipeline.batch import Stages
from robustger.pipeline.transcription import Segment
from robustger.service.judging import judged_changes

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Measures:
    """The counters and histograms of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "robustger_requests", "Answers by route and status.", ["route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "robustger_request_seconds",
            "Time of an answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.open_requests = Gauge(
            "robustger_open_requests", "Requests that are worked on or wait.", registry=self.registry
        )
        self.waiting = Gauge(
            "robustger_queue_items", "Excerpts and lists that wait for a batch.", registry=self.registry
        )
        self.batch_sizes = Histogram(
            "robustger_batch_size",
            "Excerpts and lists in a batch.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "robustger_stage_seconds",
            "Time of a batch in a stage; of a recording for reading, of an item for waiting.",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.audio_seconds = Counter(
            "robustger_audio_seconds", "Recordings transcribed.", registry=self.registry
        )
        self.passes = Counter(
            "robustger_llm_passes", "Forward passes of the language model.", registry=self.registry
        )
        self.edits = Counter(
            "robustger_edits",
            "Edits that were kept, and that were held back.",
            ["decision"],
            registry=self.registry,
        )
        self.sources = Counter(
            "robustger_transcripts",
            "Corrected lists by what decided on their text.",
            ["source"],
            registry=self.registry,
        )
        self.jobs = Gauge("robustger_jobs", "Jobs by status.", ["status"], registry=self.registry)
        self.loaded = Gauge(
            "robustger_models_loaded", "1 while the models are in memory.", registry=self.registry
        )
        for decision in ("kept", "held_back"):
            self.edits.labels(decision)

    def count_batch(self, segments: list[Segment], stages: Stages) -> None:
        """Counts a finished batch."""
        self.batch_sizes.observe(len(segments))
        for stage in ("recognition", "correction", "word_times"):
            self.stage_seconds.labels(stage).observe(getattr(stages, stage))
        for segment in segments:
            self.passes.inc(segment.transcript.passes)
            self.sources.labels(segment.transcript.source).inc()
            for change in judged_changes(segment.nbest, segment.transcript):
                self.edits.labels("kept" if change["kept"] else "held_back").inc()

    def page(self) -> bytes:
        """The text of GET /metrics."""
        return generate_latest(self.registry)
