"""What the API shows and takes of a stream is what the settings know of one."""

from __future__ import annotations

from worker.settings import StreamSettings
from worker.web.streams import NewStream, StreamShown

NOT_FROM_THE_API = {"url_file", "tls_ca"}
"""Keys that name files of the worker's machine."""


def test_every_key_of_a_stream_is_shown() -> None:
    assert set(StreamShown.model_fields) == {*StreamSettings.model_fields, "origin"}
    shown = StreamSettings.model_validate({"id": "a", "url": "rtsp://u:hunter2@camera.example/"}).model_dump(
        mode="json"
    )
    told = StreamShown.model_validate({**shown, "origin": "settings"}).model_dump_json()
    assert "hunter2" not in told


def test_every_key_but_those_that_name_files_can_be_set() -> None:
    assert set(NewStream.model_fields) == set(StreamSettings.model_fields) - NOT_FROM_THE_API
