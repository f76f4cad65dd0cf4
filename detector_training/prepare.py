"""Make a data set for training and validation from a Dataturks export and further labelled sets.

    python -m detector_training.prepare --dataturks face_detection.json --out data/faces
    python -m detector_training.prepare --dataturks face_detection.json --pictures images --join \\
        wider=wider:WIDER/wider_face_split/wider_face_train_bbx_gt.txt --out data/faces

README.md has the command of the shipped detector.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from detector_training.cleaning import Cleaned, clean, cut_negatives
from detector_training.copies import group_copies, read_names, read_pairs
from detector_training.dataturks import read_export
from detector_training.detectors import open_other
from detector_training.errors import DataError, run_command
from detector_training.fetch import fetch_pictures
from detector_training.formats import READERS, match_pictures, read_dataturks
from detector_training.pictures import Picture, Problem, Reading
from detector_training.report import count_sizes, write_report
from detector_training.seen import Detector
from detector_training.split import Split, split_pictures
from detector_training.tight import Tightener
from detector_training.yolo_folder import write_data_yaml, write_picture, write_summary


@dataclass(frozen=True, slots=True)
class Options:
    """What `prepare` is asked for; see `--help`."""

    out: Path
    dataturks: Path | None
    label: str
    pictures: Path | None
    downloads: Path | None
    join: tuple[tuple[str, str, Path], ...]
    tight: frozenset[str]
    teachers: tuple[Path, ...]
    negatives: int
    val_list: Path | None
    near_copies: Path | None
    val_share: float
    seed: int


def prepare(options: Options) -> dict[str, Any]:
    """Read, group, split, clean and write; returns the summary.

    Raises:
        DataError: nothing usable, or `out` exists.
    """
    if options.out.exists():
        raise DataError(f"{options.out} exists: remove it, or name another folder with --out")
    reading = _unique(_read(options))
    if not reading.pictures:
        raise DataError(f"no picture could be used; {len(reading.problems)} were left out: {_some(reading.problems)}")
    if not any(len(picture.faces) for picture in reading.pictures):
        raise DataError(f"none of the {len(reading.pictures)} pictures has a labelled face")
    pairs = read_pairs(options.near_copies) if options.near_copies else []
    fixed = frozenset(read_names(options.val_list)) if options.val_list else frozenset()
    groups = group_copies(reading.pictures, pairs)
    split = split_pictures(reading.pictures, groups, options.val_share, options.seed, fixed)
    partial = options.out.with_name(options.out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        summary = _write(options, reading, split, partial)
        partial.rename(options.out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return summary


def _read(options: Options) -> Reading:
    reading = Reading()
    if options.dataturks:
        export = read_export(options.dataturks, options.label)
        if options.pictures:
            found, gone = match_pictures(export.items, options.dataturks, options.pictures)
        else:
            folder = options.downloads or options.out.with_name(options.out.name + ".downloads")
            fetched = fetch_pictures([item.url for item in export.items], folder)
            found, gone = fetched.paths, fetched.gone
        part = read_dataturks("dataturks", export, found)
        reading.pictures += part.pictures
        reading.problems += part.problems + gone
    for name, form, path in options.join:
        part = READERS[form](name, path)
        reading.pictures += part.pictures
        reading.problems += part.problems
    return reading


def _unique(reading: Reading) -> Reading:
    """Give pictures of one set whose names differ only in folder or suffix names of their own."""
    seen: set[tuple[str, str]] = set()
    pictures = []
    for picture in reading.pictures:
        name, number = Path(picture.name), 1
        while (picture.set_name, name.stem) in seen:
            number += 1
            name = Path(f"{picture.stem}_{number}{name.suffix}")
        seen.add((picture.set_name, name.stem))
        pictures.append(picture if name.name == picture.name else replace(picture, name=name.name))
    return Reading(pictures, reading.problems)


def _some(problems: Sequence[Problem]) -> str:
    return "; ".join(f"{problem.where}: {problem.why}" for problem in problems[:3]) or "none"


def _write(options: Options, reading: Reading, split: Split, folder: Path) -> dict[str, Any]:
    teachers = [open_other(path) for path in options.teachers]
    tighteners = _fit(options, split, teachers)
    second = teachers[1] if len(teachers) > 1 else None
    train = [
        (picture, clean(picture, tighteners.get(picture.set_name), second))
        for picture in tqdm(split.train, desc="cleaning", unit="picture")
    ]
    tiles = cut_negatives(split.train, teachers, options.negatives, folder / "tiles", options.seed)
    train += [(tile, clean(tile, None, None)) for tile in tiles]
    val = [_with_suggestions_ignored(picture) for picture in split.val]
    for picture, cleaned in train:
        home = folder / "train" / picture.set_name
        write_picture(home, picture, cleaned.labels, cleaned.ignore, picture.faces)
    for picture in val:
        write_picture(folder / "val" / picture.set_name, picture, picture.faces, picture.ignore, None)
    names = {
        "train": sorted({picture.set_name for picture, _ in train}),
        "val": sorted({picture.set_name for picture in val}),
    }
    write_data_yaml(folder, names)
    summary = _summary(options, reading, split, train, val)
    summary["tight"] = {name: tightener.affine.to_json() for name, tightener in tighteners.items()}
    summary["fingerprint"] = fingerprint(folder)
    write_report(folder / "report", summary, train, val, options.seed)
    shutil.rmtree(folder / "tiles", ignore_errors=True)
    write_summary(folder, summary)
    return summary


def _fit(options: Options, split: Split, teachers: Sequence[Detector]) -> dict[str, Tightener]:
    if options.tight and not teachers:
        raise DataError("--tight needs a detector with tight boxes to fit against: name one with --teacher")
    tighteners = {}
    for name in sorted(options.tight):
        of_set = [picture for picture in split.train if picture.set_name == name]
        if not of_set:
            raise DataError(f"--tight {name}: no training picture belongs to a set of that name")
        tighteners[name] = Tightener.fit(of_set, teachers[0])
    return tighteners


def _with_suggestions_ignored(picture: Picture) -> Picture:
    cleaned = clean(picture, None, None)
    return replace(picture, ignore=cleaned.ignore)


def _summary(
    options: Options,
    reading: Reading,
    split: Split,
    train: Sequence[tuple[Picture, Cleaned]],
    val: Sequence[Picture],
) -> dict[str, Any]:
    sets: dict[str, dict[str, int]] = {}
    for name in sorted({picture.set_name for picture in [*(picture for picture, _ in train), *val]}):
        mine = [(picture, cleaned) for picture, cleaned in train if picture.set_name == name]
        held = [picture for picture in val if picture.set_name == name]
        sets[name] = {
            "train_pictures": len(mine),
            "train_faces": sum(len(cleaned.labels) for _, cleaned in mine),
            "added": sum(cleaned.added for _, cleaned in mine),
            "painted_over": sum(len(cleaned.ignore) for _, cleaned in mine),
            "val_pictures": len(held),
            "val_faces": sum(len(picture.faces) for picture in held),
            "val_ignored": sum(len(picture.ignore) for picture in held),
            **count_sizes([picture for picture, _ in mine] + held),
        }
    return {
        "seed": options.seed,
        "sets": sets,
        "problems": [list(problem) for problem in reading.problems],
        "dropped": [list(problem) for problem in split.dropped],
    }


def fingerprint(folder: Path) -> str:
    """SHA-256 over names and bytes of all pictures, labels and ignore files of a prepared data set."""
    digest = hashlib.sha256()
    for path in sorted(path for side in ("train", "val") for path in (folder / side).rglob("*") if path.is_file()):
        if path.suffix != ".cache":
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _joined(text: str) -> tuple[str, str, Path]:
    name, _, rest = text.partition("=")
    form, _, path = rest.partition(":")
    if not name or form not in READERS or not path:
        raise argparse.ArgumentTypeError(f"expected NAME=FORM:PATH with FORM one of {', '.join(READERS)}, got {text!r}")
    return name, form, Path(path)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="detector_training.prepare", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder to make; must not exist")
    add("--dataturks", type=Path, help="Dataturks export: JSON lines, a JSON array, or {'data': [...]}")
    add("--label", default="Face", help="the label of a face in the export (any case)")
    add("--pictures", type=Path, help="take the export's pictures from this folder instead of fetching them by URL")
    add("--downloads", type=Path, help="where fetched pictures are kept, so that a second run goes on (OUT.downloads)")
    add(
        "--join",
        type=_joined,
        action="append",
        default=[],
        metavar="NAME=FORM:PATH",
        help=f"a further set; FORM is one of {', '.join(READERS)}",
    )
    add(
        "--tight",
        action="append",
        default=[],
        metavar="NAME",
        help="make this set's boxes tight: the first teacher's where it is sure, else by a fitted affine",
    )
    add(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        metavar="ONNX",
        help="a detector (yunet*.onnx, retinaface*.onnx); the second one confirms faces that labels left out",
    )
    add("--negatives", type=int, default=0, help="tiles without a face to cut from training pictures")
    add("--val-list", type=Path, help="file of validation pictures (SET/images/NAME a line) instead of drawing them")
    add("--near-copies", type=Path, help="file of known near-copies (two SET/images/NAME a line)")
    add("--val-share", type=float, default=0.15, help="share of each set that is drawn for validation")
    add("--seed", type=int, default=0)
    return parser


def _parse() -> Options:
    parser = _arguments()
    args = parser.parse_args()
    if not args.dataturks and not args.join:
        parser.error("name something to read: --dataturks FILE or --join NAME=FORM:PATH")
    return Options(
        args.out,
        args.dataturks,
        args.label,
        args.pictures,
        args.downloads,
        tuple(args.join),
        frozenset(args.tight),
        tuple(args.teacher),
        args.negatives,
        args.val_list,
        args.near_copies,
        args.val_share,
        args.seed,
    )


def main() -> None:
    options = _parse()
    summary = prepare(options)
    for name, row in summary["sets"].items():
        print(f"{name}: {row['train_pictures']} pictures to train, {row['val_pictures']} to validate")
    print(f"{len(summary['problems'])} problems, {len(summary['dropped'])} dropped near-copies: see report/index.html")
    print(f"wrote {options.out} ({summary['fingerprint'][:12]})")


if __name__ == "__main__":
    raise SystemExit(run_command(main))
