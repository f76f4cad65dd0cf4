"""Settings on standard output: what is in force, and the schema from which editors complete."""

from __future__ import annotations

import json
import logging

from worker.errors import PurposeRefused
from worker.settings import Settings, effective

_log = logging.getLogger(__name__)


def check(settings: Settings) -> None:
    """Look at all that can be looked at without starting, then print what is in force as YAML, without secrets.

    Raises:
        PurposeRefused: the law forbids what it is for.
        SettingsError: a stream's address is of a kind that cannot be opened, or the port may not be bound as asked.
        BundleError: a model is damaged, or the two do not fit together.
    """
    from worker.assembly.window import access_of
    from worker.models.bundle import check_pair, load_bundle
    from worker.sources.options import SourceOptions, check_source, exists, local_path

    for stream in settings.own_streams:
        check_source(SourceOptions(stream=stream.id, url=stream.address, live=stream.live))
        if not stream.live and not exists(local_path(stream.address)):
            _log.warning("stream %s: %s: no such file or folder yet", stream.id, local_path(stream.address))
    if settings.web.enabled:
        access_of(settings.web)
    check_pair(load_bundle(settings.models.detector, "detector"), load_bundle(settings.models.classifier, "classifier"))
    check_streams(settings)
    check_purpose(settings)
    print(effective(settings), end="")


def check_streams(settings: Settings) -> None:
    """Tell of a worker that has nothing to read and can be given nothing."""
    if settings.own_streams or settings.web.changes or settings.web.state_file is not None:
        return
    if settings.streams:
        shard = settings.shard
        _log.warning("none of the %d streams falls to shard %d of %d", len(settings.streams), shard.index, shard.of)
    else:
        _log.warning("there are no streams, and web.changes is off, so none can be added: nothing will be read")


def check_purpose(settings: Settings) -> None:
    """Ask what the deployment is for, refuse what the law forbids."""
    if settings.purpose_refused:
        raise PurposeRefused(settings.purpose_refused)
    if settings.worker.purpose is None:
        _log.warning(
            "worker.purpose is not set: say what this deployment is for (the EU forbids inferring emotions at work "
            "and in education, and asks you to inform the people who are seen; see docs/settings.md)"
        )


def schema() -> None:
    """Print the JSON Schema of the settings file."""
    print(json.dumps(Settings.model_json_schema(), indent=2))
