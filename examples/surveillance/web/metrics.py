# SPDX-License-Identifier: LGPL-2.1-or-later
"""The snapshot as Prometheus metrics. Counters begin anew where the publisher's books do, which rate() and increase() understand."""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector as Base

from ..config import RECORDER
from ..policy import STATES
from .history import accounts
from .trouble import GIVEN_UP

PHASES = ("idle", "starting", "running", "ending", GIVEN_UP, "stopped")
SLOTS = {"free": "free_slots", "owned": "owned", "loaned": "loaned"}  # use → field of the ring's stats
CAMERA = ("camera",)
WORKER = ("camera", "worker", "level")  # level: empty for a branch, which has none

Value = Callable[[dict], float | None]


def field(name: str) -> Value:
    return lambda told: told.get(name)


def ring(name: str) -> Value:
    return lambda told: (told.get("ring") or {}).get(name)


def limit(name: str) -> Value:
    return lambda told: (told.get("limits") or {}).get(name) or None  # 0: any will do, so there is none


CAMERAS: tuple[tuple[type, str, str, Value], ...] = (
    (CounterMetricFamily, "camera_frames_received", "Frames that the camera gave", field("received")),
    (CounterMetricFamily, "camera_frames_published", "Frames that latestframe handed to its branches", field("published")),
    (CounterMetricFamily, "camera_frames_inbox_dropped", "Frames that the fan-out itself was too slow for: a serious fault",
     field("mailbox_drops")),
    (CounterMetricFamily, "camera_restarts", "How often the capture process was started again", field("restarts")),
    (GaugeMetricFamily, "camera_restarts_left", "Restarts that the capture process may still have", field("restarts_left")),
    (GaugeMetricFamily, "camera_state_since_timestamp_seconds", "Since when the camera is in its state", field("since")),
    (GaugeMetricFamily, "ring_slots", "Slots of the ring", ring("slots")),
    (CounterMetricFamily, "ring_frames_without_slot", "Frames that no worker got because no slot was free",
     ring("dropped_no_slot")),
)
WORKERS: tuple[tuple[type, str, str, Value], ...] = (
    (CounterMetricFamily, "worker_frames_offered", "Frames published for the worker: delivered + dropped + pending",
     field("offered")),
    (CounterMetricFamily, "worker_frames_delivered", "Frames that the worker took", field("delivered")),
    (CounterMetricFamily, "worker_frames_dropped", "Frames that the worker will never see", field("dropped")),
    (GaugeMetricFamily, "worker_frames_pending", "Frames that wait for the worker", field("pending")),
    (CounterMetricFamily, "worker_detections", "Things that the worker found", field("found")),
    (CounterMetricFamily, "worker_results", "Results of the worker that came back", field("results")),
    (CounterMetricFamily, "worker_results_refused", "What the worker sent as a result and is none", field("results_refused")),
    (CounterMetricFamily, "worker_restarts", "How often the worker was started again", field("restarts")),
    (GaugeMetricFamily, "worker_restarts_left", "Restarts that the worker may still have", field("restarts_left")),
    (GaugeMetricFamily, "worker_state_since_timestamp_seconds", "Since when the worker is in its state", field("since")),
    (GaugeMetricFamily, "worker_level_kept", "1 if the worker keeps the limits of its level", field("level_kept")),
    (GaugeMetricFamily, "worker_drop_rate_limit_ratio", "The share of frames that its level lets the worker drop",
     limit("drop_rate")),
    (GaugeMetricFamily, "worker_frame_age_limit_seconds", "The age that its level lets the worker's frames have",
     limit("frame_age")),
)
RECORDERS: tuple[tuple[type, str, str, Value], ...] = (
    (CounterMetricFamily, "recorder_frames_written", "Frames written into segments", field("frames_written")),
    (CounterMetricFamily, "recorder_frames_lost", "Frames encoded and in no segment: the disk was too slow, or did not take them",
     field("frames_lost")),
    (GaugeMetricFamily, "recorder_held_bytes", "Encoded frames in the recorder's memory", field("held_bytes")),
    (CounterMetricFamily, "recorder_triggers", "Events that the recorder heard of", field("triggers")),
    (CounterMetricFamily, "recorder_clips_written", "Clips that were written", field("clips_written")),
    (CounterMetricFamily, "recorder_clips_failed", "Clips that could not be written", field("clips_failed")),
    (CounterMetricFamily, "recorder_triggers_refused", "Events that got no clip", field("clips_refused")),
)
KEPT: tuple[tuple[str, str, str, str], ...] = (
    ("recorder_files", "Segments or clips that are kept", "segments", "clips"),
    ("recorder_bytes", "What they take of the disk", "bytes", "clips_bytes"),
    ("recorder_disk_free_bytes", "What is free on their disk", "free", "clips_free"),
)
DISKS = ("ok", "full", "read-only", "failed", "hangs")
TIMES = (
    ("worker_frame_age_seconds", "Age of the worker's frames when it took them, of its newest some thousand", "age"),
    ("worker_work_seconds", "What the worker took for a frame, of its newest some thousand", "work"),
    ("worker_result_latency_seconds", "From the capture of a frame until the worker's result is here, of its newest some thousand", "latency"),
)


class Collector(Base):
    """For a registry: asks for the newest snapshot with each scrape."""

    def __init__(self, newest: Callable[[], dict], events: Callable[[], dict[tuple[str, str], int]] = dict,
                 pages: Callable[[], tuple[int, int]] = lambda: (0, 0)):
        """`events`: how many there were, by camera and kind; `pages`: open now, cut off so far."""
        self._newest = newest
        self._events = events
        self._pages = pages

    def describe(self) -> list[Metric]:
        return []  # they are told by collect() only

    def collect(self) -> Iterator[Metric]:
        snapshot = self._newest()
        cameras = [((camera["name"],), camera) for camera in snapshot["cameras"]]
        workers = [((camera["name"], told["name"], told.get("level") or ""), told)
                   for camera in snapshot["cameras"] for told in accounts(camera)]
        yield _family(GaugeMetricFamily, "manager_start_time_seconds", "When the manager was started", (),
                      [((), snapshot["started_at"])])
        for kind, name, text, value in CAMERAS:
            yield _family(kind, name, text, CAMERA, [(labels, value(told)) for labels, told in cameras])
        yield _family(GaugeMetricFamily, "ring_slots_in_use", "Slots of the ring by what they are used for", (*CAMERA, "use"),
                      [((*labels, use), ring(field)(told))
                       for labels, told in cameras for use, field in SLOTS.items()])
        for kind, name, text, value in WORKERS:
            yield _family(kind, name, text, WORKER, [(labels, value(told)) for labels, told in workers])
        for owner, labels, told in (("camera", CAMERA, cameras), ("worker", WORKER, workers)):
            yield _one_of(f"{owner}_state", f"1 for the state that the {owner} is in", labels, "state", STATES, told)
            yield _one_of(f"{owner}_phase", f"1 for the phase of life that the {owner}'s process is in", labels, "phase",
                          PHASES, told)
        yield _family(GaugeMetricFamily, "zone_inside", "How many things are in the zone", (*CAMERA, "zone"),
                      [((*labels, zone["name"]), zone["inside"]) for labels, told in cameras for zone in told.get("zones", ())])
        recorders = [((camera["name"],), report) for camera in snapshot["cameras"]
                     if (report := (camera.get("reports") or {}).get(RECORDER))]
        for kind, name, text, value in RECORDERS:
            yield _family(kind, name, text, CAMERA, [(labels, value(told)) for labels, told in recorders])
        for name, text, *keys in KEPT:
            yield _family(GaugeMetricFamily, name, text, (*CAMERA, "kept"),
                          [((*labels, kept), told.get(key)) for labels, told in recorders
                           for kept, key in zip(("segments", "clips"), keys)])
        yield _family(GaugeMetricFamily, "recorder_disk_state", "1 for the state that the disk of segments or clips is in",
                      (*CAMERA, "kept", "state"),
                      [((*labels, kept, state), told[key] == state) for labels, told in recorders
                       for kept, key in (("segments", "disk"), ("clips", "clips_disk")) if key in told for state in DISKS])
        for name, text, prefix in TIMES:
            yield _summary(name, text, prefix, workers)
        info = InfoMetricFamily("surveillance_worker", "What the worker is", labels=WORKER)
        for labels, told in workers:
            if told.get("policy"):
                info.add_metric(labels, {"policy": told["policy"]})
        yield info
        yield _family(CounterMetricFamily, "events", "What happened, by kind", (*CAMERA, "kind"), self._events().items())
        pages, cut_off = self._pages()
        yield _family(GaugeMetricFamily, "pages_open", "Status pages that are open", (), [((), pages)])
        yield _family(CounterMetricFamily, "pages_cut_off", "Status pages that took too long to read", (), [((), cut_off)])


def _family(kind: type, name: str, text: str, labels: tuple[str, ...], values) -> Metric:
    family = kind(f"surveillance_{name}", text, labels=labels)
    for own, value in values:
        if value is not None:  # not known is no figure
            family.add_metric(own, float(value))
    return family


def _one_of(name: str, text: str, labels: tuple[str, ...], label: str, known: tuple[str, ...], told) -> Metric:
    """A series for each value that can be, so that none is missing when it is looked for."""
    return _family(GaugeMetricFamily, name, text, (*labels, label),
                   [((*own, value.replace(" ", "-")), value == account[label])
                    for own, account in told if account.get(label) for value in known])


def _summary(name: str, text: str, prefix: str, workers) -> Metric:
    name = f"surveillance_{name}"
    family = SummaryMetricFamily(name, text, labels=WORKER)
    for labels, told in workers:
        named = dict(zip(WORKER, labels))
        for quantile, key in (("0.5", f"{prefix}_p50"), ("0.99", f"{prefix}_p99")):
            if told.get(key) is not None:
                family.add_sample(name, {**named, "quantile": quantile}, told[key])
    return family
