"""Read labelled sets: YOLO folders, WIDER FACE's annotation file, VOC XML, COCO JSON, Dataturks, folders without faces.

Each reader takes the set's name and a path and returns a `Reading`; a picture that cannot be decoded is listed and
skipped, never fatal.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from detector_training.dataturks import Export, Item
from detector_training.errors import DataError
from detector_training.pictures import (
    SUFFIXES,
    Boxes,
    Looks,
    Picture,
    Problem,
    Reading,
    as_boxes,
    clip_boxes,
    look,
)

Reader = Callable[[str, Path], Reading]


def pictures_in(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: expected pictures there")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _looks(path: Path, reading: Reading) -> Looks | None:
    try:
        return look(path)
    except ValueError as error:
        reading.problems.append(Problem(str(path), str(error)))
        return None


def read_yolo_rows(path: Path, looks: Looks, columns: int = 4) -> Boxes:
    """Boxes of a YOLO label file (`0 cx cy w h [score]`, shares) in px; none where there is no file.

    Raises:
        ValueError: a row is not of that form.
    """
    if not path.exists():
        return as_boxes([], columns)
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip():
            continue
        numbers = [float(part) for part in line.split()]
        if len(numbers) < columns + 1:
            raise ValueError(f"{path.name}: {len(numbers)} numbers in a row, expected {columns + 1}")
        cx, cy, w, h = numbers[1:5]
        edges = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
        sides = (looks.width, looks.height) * 2
        rows.append([edge * side for edge, side in zip(edges, sides, strict=True)] + numbers[5 : columns + 1])
    boxes = as_boxes(rows, columns)
    return boxes if columns > 4 else clip_boxes(boxes, looks.width, looks.height)


def read_yolo(set_name: str, path: Path) -> Reading:
    """A folder with `images/` and `labels/`; `ignore/` and `teacher_extra/` beside them are read too."""
    reading = Reading()
    for picture in pictures_in(path / "images"):
        looks = _looks(picture, reading)
        if looks is None:
            continue
        label = f"{picture.stem}.txt"
        try:
            faces = read_yolo_rows(path / "labels" / label, looks)
            ignore = read_yolo_rows(path / "ignore" / label, looks)
            suggestions = read_yolo_rows(path / "teacher_extra" / label, looks, 5)
        except ValueError as error:
            reading.problems.append(Problem(str(picture), f"labels cannot be read ({error})"))
            continue
        reading.pictures.append(Picture(set_name, picture.name, picture, looks, faces, ignore, suggestions))
    return reading


def read_wider(set_name: str, path: Path) -> Reading:
    """WIDER FACE's `wider_face_*_bbx_gt.txt`: the pictures lie in a folder `images` beside it or one above.

    Rows are x, y, w, h, blur, expression, illumination, invalid, occlusion, pose. Faces marked invalid become ignore
    regions, as in WIDER's own evaluation, which does not count them; so do rows without extent.
    """
    reading = Reading()
    folders = [path.parent / "images", path.parent.parent / "images", path.parent]
    for name, rows in _wider_blocks(path):
        picture = next((folder / name for folder in folders if (folder / name).exists()), folders[0] / name)
        looks = _looks(picture, reading)
        if looks is None:
            continue
        faces: list[tuple[float, ...]] = []
        ignore: list[tuple[float, ...]] = []
        for row in rows:
            x, y, w, h = row[:4]
            invalid = len(row) > 7 and row[7] == 1
            (ignore if invalid else faces).append((x, y, x + w, y + h))
        sides = (looks.width, looks.height)
        boxes = [clip_boxes(as_boxes(part), *sides) for part in (faces, ignore)]
        flat = name.replace("/", "__")
        reading.pictures.append(Picture(set_name, flat, picture, looks, boxes[0], boxes[1]))
    return reading


def _wider_blocks(path: Path) -> Iterator[tuple[str, list[list[float]]]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        name = lines[at].strip()
        at += 1
        if not name:
            continue
        try:
            count = int(lines[at])
            # A picture without faces still has one row, of zeros.
            rows = [[float(part) for part in line.split()] for line in lines[at + 1 : at + 1 + max(count, 1)]]
        except (ValueError, IndexError) as error:
            raise DataError(f"{path}, line {at + 1}: not WIDER FACE's annotation form ({error})") from error
        at += 1 + max(count, 1)
        yield name, rows[:count]


def read_voc(set_name: str, path: Path) -> Reading:
    """VOC XML: a folder of XML files; pictures beside them, or in `JPEGImages` or `images` beside the folder.

    `difficult` objects become ignore regions, as VOC's evaluation treats them.
    """
    reading = Reading()
    files = sorted(path.rglob("*.xml"))
    if not files:
        raise DataError(f"{path} holds no XML file: expected VOC annotations")
    for file in files:
        try:
            root = ElementTree.parse(file).getroot()
            name = root.findtext("filename") or f"{file.stem}.jpg"
            boxes: dict[bool, list[tuple[float, ...]]] = {False: [], True: []}
            for thing in root.iter("object"):
                box = thing.find("bndbox")
                if box is None:
                    continue
                edges = tuple(float(box.findtext(edge, "")) for edge in ("xmin", "ymin", "xmax", "ymax"))
                boxes[thing.findtext("difficult", "0").strip() == "1"].append(edges)
        except (ElementTree.ParseError, ValueError) as error:
            reading.problems.append(Problem(str(file), f"annotation cannot be read ({error})"))
            continue
        homes = [file.parent, file.parent.parent / "JPEGImages", file.parent.parent / "images"]
        picture = next((home / name for home in homes if (home / name).exists()), homes[0] / name)
        looks = _looks(picture, reading)
        if looks is not None:
            faces, ignore = (clip_boxes(as_boxes(boxes[hard]), looks.width, looks.height) for hard in (False, True))
            reading.pictures.append(Picture(set_name, picture.name, picture, looks, faces, ignore))
    return reading


def read_coco(set_name: str, path: Path) -> Reading:
    """COCO JSON with boxes; pictures in `images` beside the file or in its own folder; `iscrowd` becomes ignore.

    With several categories only those named face or person-face (any case) count.
    """
    reading = Reading()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        names = {entry["id"]: str(entry["name"]).lower() for entry in document.get("categories", [])}
        wanted = set(names) if len(names) < 2 else {key for key, name in names.items() if "face" in name}
        boxes: dict[tuple[int, bool], list[tuple[float, ...]]] = {}
        for entry in document["annotations"]:
            if names and entry.get("category_id") not in wanted:
                continue
            x, y, w, h = entry["bbox"]
            boxes.setdefault((entry["image_id"], bool(entry.get("iscrowd"))), []).append((x, y, x + w, y + h))
        images = [(entry["id"], str(entry["file_name"])) for entry in document["images"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # also JSONDecodeError
        raise DataError(f"{path} is no COCO annotation file ({error!r})") from error
    for number, name in images:
        picture = next((home / name for home in (path.parent / "images", path.parent) if (home / name).exists()), None)
        looks = _looks(picture or path.parent / "images" / name, reading)
        if picture is None or looks is None:
            continue
        sides = (looks.width, looks.height)
        faces, ignore = (clip_boxes(as_boxes(boxes.get((number, crowd), [])), *sides) for crowd in (False, True))
        reading.pictures.append(Picture(set_name, name.replace("/", "__"), picture, looks, faces, ignore))
    return reading


def read_faceless(set_name: str, path: Path) -> Reading:
    """A folder of pictures without any face (negatives)."""
    reading = Reading()
    for picture in pictures_in(path):
        looks = _looks(picture, reading)
        if looks is not None:
            reading.pictures.append(Picture(set_name, picture.name, picture, looks, as_boxes([])))
    return reading


def read_dataturks(set_name: str, export: Export, found: dict[str, Path]) -> Reading:
    """The items of a Dataturks export whose pictures were found (by URL); `teacher_extra/` beside the pictures'
    folder is read too."""
    reading = Reading(problems=list(export.problems))
    for item in export.items:
        path = found.get(item.url)
        looks = None if path is None else _looks(path, reading)
        if path is None or looks is None:
            continue
        scale = as_boxes([(looks.width, looks.height) * 2])
        faces = clip_boxes(item.shares * scale, looks.width, looks.height)
        suggestions = read_yolo_rows(path.parent.parent / "teacher_extra" / f"{path.stem}.txt", looks, 5)
        reading.pictures.append(Picture(set_name, path.name, path, looks, faces, as_boxes([]), suggestions))
    return reading


def match_pictures(items: list[Item], export: Path, folder: Path) -> tuple[dict[str, Path], list[Problem]]:
    """Find the pictures of an export in a folder: by `mapping.csv` (line, picture) beside the export, else by the
    URL's last part, with or without its suffix."""
    by_name = {name: path for path in pictures_in(folder) for name in (path.stem, path.name)}
    mapping = export.parent / "mapping.csv"
    named: dict[int, str] = {}
    if mapping.exists():
        with mapping.open(encoding="utf-8", newline="") as file:
            named = {int(row["line"]): row["picture"] for row in csv.DictReader(file)}
    found: dict[str, Path] = {}
    gone = []
    for item in items:
        last = item.url.rsplit("/", 1)[-1]
        candidates = [named.get(item.line, ""), last, Path(last).stem]
        path = next((by_name[name] for name in candidates if name in by_name), None)
        if path is None:
            gone.append(Problem(item.url, f"not in {folder.name}/"))
        else:
            found[item.url] = path
    return found, gone


READERS: dict[str, Reader] = {
    "yolo": read_yolo,
    "wider": read_wider,
    "voc": read_voc,
    "coco": read_coco,
    "faceless": read_faceless,
}
