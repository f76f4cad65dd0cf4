"""A model bundle: a folder with `manifest.json` and the files that it vouches for.

A bundle holds the network for the CPU runtime (`model.xml`, `model.bin`: OpenVINO IR, fp16 weights), the same weights
for torch (`model.safetensors`), `MODEL_CARD.md`, and in the manifest everything else that a result depends on.
`load_bundle` checks all of it before anything runs; `write_bundle` makes one, whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar, overload

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from worker.errors import BundleError
from worker.face import EMOTIONS

Task = Literal["detector", "classifier"]
BoxConvention = Literal["tight", "head"]
MANIFEST = "manifest.json"
REQUIRED_FILES = ("model.xml", "model.bin", "model.safetensors", "MODEL_CARD.md")
DETECTOR_SHAPES = ((640, 384), (576, 416), (512, 480), (416, 576), (384, 640))
"""The five input shapes (width, height) of a detector: at most 245,760 pixels, one for each usual aspect."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Side = Annotated[int, Field(gt=0, multiple_of=32)]  # both networks halve their input five times
Shape = tuple[Side, Side]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True)


class FileEntry(_Part):
    """Size and SHA-256 (hexadecimal) of one file of the bundle."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Licences(_Part):
    """Licence of the code and weights, and what is known of the data's licences."""

    code: str
    data: str


class DetectorThresholds(_Part):
    """`score`: a box below it is no face. `nms_iou`: of two boxes that overlap more, the weaker goes."""

    score: Share
    nms_iou: Share


class Gates(_Part):
    """The least of each `worker.face.Quality` value that a face may have to be classified."""

    size_px: float = Field(ge=0.0)
    sharpness: Share
    brightness: Share
    inside: Share


class ClassifierThresholds(_Part):
    """`low_confidence`: a highest probability below it is an abstention. `gates`: see `Gates`."""

    low_confidence: Share
    gates: Gates


class Crop(_Part):
    """The crop rule of `worker.models.crop`: a square, `margin` times the box's longer side, moved `dy` sides down.

    `box` is the convention of the boxes that the rule was measured on: `tight` (brow to chin) or `head`.
    """

    margin: float = Field(gt=0.0, le=4.0)
    dy: float = Field(ge=-1.0, le=1.0)
    base: Literal[48] = 48
    box: BoxConvention = "tight"


class _Manifest(_Part):
    """What both tasks tell. `metrics` is free: figures with the data and the compute precision they stand for."""

    schema_: Literal["bundle.v1"] = Field("bundle.v1", alias="schema")
    name: str = Field(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")
    version: str = Field(pattern=r"^[0-9]+(\.[0-9]+){0,2}$")
    architecture: str
    labels: tuple[str, ...]
    range: Literal["full"] = "full"
    metrics: dict[str, JsonValue] = {}
    gmac: float = Field(gt=0.0)
    licences: Licences
    training: dict[str, JsonValue] = {}
    files: dict[str, FileEntry] = {}


class DetectorManifest(_Manifest):
    """A face detector. `class_width`: the width of YOLO11n's class branch."""

    task: Literal["detector"] = "detector"
    architecture: Literal["yolo11n"] = "yolo11n"
    class_width: int = Field(64, ge=1)
    labels: tuple[Literal["face"]] = ("face",)
    input_shapes: tuple[Shape, ...] = Field(DETECTOR_SHAPES, min_length=1)
    colour: Literal["bgr"] = "bgr"
    preprocessing: Literal["letterbox.v1"] = "letterbox.v1"
    box_convention: BoxConvention = "tight"
    thresholds: DetectorThresholds


class ClassifierManifest(_Manifest):
    """An emotion classifier. Its input is (bilinear(crop to the input shape) - `mean`) / `scale`."""

    task: Literal["classifier"] = "classifier"
    architecture: Literal["resnet29"] = "resnet29"
    labels: tuple[str, ...] = EMOTIONS
    input_shapes: tuple[Shape, ...] = Field(((64, 64),), min_length=1, max_length=1)
    colour: Literal["luma"] = "luma"
    preprocessing: Literal["crop48.v1"] = "crop48.v1"
    crop: Crop
    mean: float
    scale: float = Field(gt=0.0)
    temperature: float = Field(gt=0.0)
    thresholds: ClassifierThresholds

    @field_validator("labels")
    @classmethod
    def _emotions_in_order(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if labels != EMOTIONS:
            raise ValueError(f"labels must be {', '.join(EMOTIONS)}, in this order")
        return labels

    @field_validator("input_shapes")
    @classmethod
    def _square(cls, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        if shapes[0][0] != shapes[0][1]:
            raise ValueError("a classifier's input is square")
        return shapes

    @property
    def input_size(self) -> int:
        """Side of the network's square input in px."""
        return self.input_shapes[0][0]


Manifest = TypeVar("Manifest", DetectorManifest, ClassifierManifest)


@dataclass(frozen=True, slots=True)
class Bundle(Generic[Manifest]):
    """A checked bundle. `sha256` is the manifest's, which vouches for every file."""

    path: Path
    manifest: Manifest
    sha256: str

    @property
    def label(self) -> str:
        """`name@sha8`, as records and metrics name a model."""
        return f"{self.manifest.name}@{self.sha256[:8]}"

    def file(self, name: str) -> Path:
        """Path of one of the bundle's files."""
        return self.path / name


@overload
def load_bundle(path: Path, task: Literal["detector"]) -> Bundle[DetectorManifest]: ...
@overload
def load_bundle(path: Path, task: Literal["classifier"]) -> Bundle[ClassifierManifest]: ...
def load_bundle(path: Path, task: Task) -> Bundle[DetectorManifest] | Bundle[ClassifierManifest]:
    """Read the bundle in `path` and check schema, task, labels, shapes, sizes and hashes.

    Raises:
        BundleError: one line that says what is wrong with which file, and what to do.
    """
    raw, content = _read(path)
    if content.get("task") != task:
        raise BundleError(f"bundle {path} is a {content.get('task')!r}, not a {task}: give the folder of a {task}")
    sha256 = hashlib.sha256(raw).hexdigest()
    bundle: Bundle[DetectorManifest] | Bundle[ClassifierManifest]
    try:
        if task == "detector":
            bundle = Bundle(path, DetectorManifest.model_validate(content), sha256)
        else:
            bundle = Bundle(path, ClassifierManifest.model_validate(content), sha256)
    except ValidationError as error:
        raise BundleError(f"bundle {path}: {MANIFEST}: {_first_of(error)}; export the bundle again") from error
    _check_files(path, bundle.manifest.files)
    return bundle


def write_bundle(path: Path, manifest: Manifest, files: Mapping[str, bytes | Path]) -> Bundle[Manifest]:
    """Write a bundle to `path`, replacing one that is there; beside it first, then renamed.

    Args:
        path: the folder to make.
        manifest: everything but `files`, which is filled in here.
        files: content, or a file to copy, by name; at least `REQUIRED_FILES`.

    Raises:
        BundleError: a required file is missing, or nothing could be written.
    """
    absent = [name for name in REQUIRED_FILES if name not in files]
    if absent:
        raise BundleError(f"bundle {path} cannot be written without {', '.join(absent)}: give its content")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
            fresh = Path(scratch) / "new"
            fresh.mkdir()
            raw = _fill(fresh, manifest, files)
            if path.exists():
                path.rename(Path(scratch) / "old")
            fresh.rename(path)
    except OSError as error:
        raise BundleError(
            f"bundle {path} cannot be written ({error.strerror}): free space or choose a folder"
        ) from error
    written = type(manifest).model_validate_json(raw)
    return Bundle(path, written, hashlib.sha256(raw).hexdigest())


def check_pair(detector: Bundle[DetectorManifest], classifier: Bundle[ClassifierManifest]) -> None:
    """Refuse a classifier whose crops were framed on other boxes than the detector draws.

    Raises:
        BundleError: the conventions differ.
    """
    drawn, wanted = detector.manifest.box_convention, classifier.manifest.crop.box
    if drawn != wanted:
        raise BundleError(
            f"detector {detector.label} draws {drawn} boxes but classifier {classifier.label} was trained on crops "
            f"around {wanted} ones: take a pair that agrees"
        )


def _fill(folder: Path, manifest: Manifest, files: Mapping[str, bytes | Path]) -> bytes:
    entries = {}
    for name, content in sorted(files.items()):
        if isinstance(content, Path):
            shutil.copyfile(content, folder / name)
        else:
            (folder / name).write_bytes(content)
        entries[name] = _entry(folder / name)
    full = type(manifest).model_validate({**manifest.model_dump(), "files": entries})
    raw = (json.dumps(full.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()
    (folder / MANIFEST).write_bytes(raw)
    return raw


def _entry(path: Path) -> FileEntry:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return FileEntry(bytes=path.stat().st_size, sha256=digest)


def _read(path: Path) -> tuple[bytes, dict[str, JsonValue]]:
    if not path.is_dir():
        raise BundleError(f"bundle {path} is no folder: give the folder that holds {MANIFEST}")
    try:
        raw = (path / MANIFEST).read_bytes()
        content = json.loads(raw)
    except OSError as error:
        raise BundleError(f"bundle {path}: {MANIFEST} cannot be read ({error.strerror}): is it a bundle?") from error
    except ValueError as error:
        raise BundleError(f"bundle {path}: {MANIFEST} is no JSON ({error}): export the bundle again") from error
    if not isinstance(content, dict):
        raise BundleError(f"bundle {path}: {MANIFEST} is no JSON object: export the bundle again")
    return raw, content


def _check_files(path: Path, entries: Mapping[str, FileEntry]) -> None:
    for name in REQUIRED_FILES:
        if name not in entries:
            raise BundleError(f"bundle {path}: {MANIFEST} lists no {name}: export the bundle again")
    for name, entry in entries.items():
        file = path / name
        if Path(name).name != name or not file.is_file():
            raise BundleError(f"bundle {path}: {name} is missing: copy the whole folder again")
        size = file.stat().st_size
        if size != entry.bytes:
            raise BundleError(f"bundle {path}: {name} has {size} bytes, not {entry.bytes}: copy it again")
        if _entry(file).sha256 != entry.sha256:
            raise BundleError(f"bundle {path}: {name} has another SHA-256 than the manifest says: copy it again")


def _first_of(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}"
