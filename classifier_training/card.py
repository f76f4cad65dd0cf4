"""The model card of an emotion bundle, from its manifest."""

from typing import Any

from worker.models.bundle import ClassifierManifest

_NAMES = {"holdout": "grouped hold-out of Training", "public_test": "PublicTest"}
_CONDITIONS = {
    "24px": "shrunk to 24 px",
    "16px": "shrunk to 16 px",
    "jpeg_q20": "JPEG quality 20",
    "h264_crf36": "H.264 at a rate factor of 36",
    "loose_box": "loose box (0.75)",
    "tight_box": "tight box (1.25)",
    "shift_6px": "shifted by 6 px",
    "roll_20deg": "rolled by 20 degrees",
    "gamma_2.2": "darkened (gamma 2.2)",
    "motion_blur": "motion blur of 7 px",
}


def model_card(manifest: ClassifierManifest) -> str:
    """MODEL_CARD.md: what the model is, its figures, where it fails, what it must not be taken for."""
    return "\n".join([_head(manifest), *(_figures(n, f) for n, f in manifest.metrics.items()), _limits(manifest)])


def _head(manifest: ClassifierManifest) -> str:
    training, crop = manifest.training, manifest.crop
    epochs, minutes = training.get("epochs"), training.get("minutes")
    low = manifest.thresholds.low_confidence
    return f"""# {manifest.name} {manifest.version}

Names the emotion that a face shows, out of {", ".join(manifest.labels)}. It reads faces as they appear, not minds.

- Network: ResNet-29, one channel, {manifest.input_size} px, {manifest.gmac} GMAC a face, {_size(manifest)} MB as fp16.
- Input: 48x48 full-range luma by the crop rule (margin {crop.margin}, dy {crop.dy}, {crop.box} boxes),
  enlarged bilinearly, (x - {manifest.mean}) / {manifest.scale}.
- Output: logits; divided by the temperature {manifest.temperature} they are calibrated for FER2013's kind of picture.
- Abstains below a probability of {low}: less sure faces of the hold-out are named wrongly in
  more than half.
- Training: FER2013's Training part without a hold-out, {epochs} epochs in {minutes} minutes, {_origin(training)};
  FER+ votes as an auxiliary target.
- Code and weights: {manifest.licences.code}.
- Data: {manifest.licences.data}.
"""


def _origin(training: dict[str, Any]) -> str:
    """What the run started from, and who taught it."""
    teachers = training.get("teachers", 0)
    dlib = "dlib's face-recognition ResNet (CC0)"
    if not teachers:
        return f"started from {dlib}"
    return f"started from an earlier one of these networks (itself from {dlib}), taught by {teachers} of them"


def _size(manifest: ClassifierManifest) -> str:
    entry = manifest.files.get("model.bin")
    return f"{entry.bytes / 1e6:.1f}" if entry else "11.1"


def _figures(name: str, by_precision: Any) -> str:
    """The tables of one data set; the first precision is the CPU's own."""
    precisions = list(by_precision)
    first = by_precision[precisions[0]]
    lines = [f"## On the {_NAMES.get(name, name)} ({first['images']} pictures)", ""]
    lines += [f"| | {' | '.join(precisions)} |", f"|---|{'---|' * len(precisions)}"]
    rows = {
        "accuracy": "accuracy", "without near-copies of Training": "accuracy_no_copies", "balanced accuracy":
        "balanced_accuracy", "macro F1": "macro_f1", "ECE-15": "ece", "NLL, nats": "nll", "Brier": "brier",
        "coverage at the threshold": "coverage", "accuracy of the surest 70 %": "selective_accuracy_70",
    }  # fmt: skip
    for title, key in rows.items():
        if first.get(key) is not None:
            lines.append(f"| {title} | {' | '.join(f'{by_precision[p][key]:.3f}' for p in precisions)} |")
    for key, title in _CONDITIONS.items() if "robustness" in first else ():
        found = [by_precision[p].get("robustness", {}).get(key) for p in precisions]
        if any(value is not None for value in found):  # older bundles were measured under fewer conditions
            lines.append(f"| accuracy, {title} | {' | '.join('' if v is None else f'{v:.3f}' for v in found)} |")
    lines += ["", "| emotion | precision | recall | F1 | pictures |", "|---|---|---|---|---|"]
    for emotion, c in first["per_class"].items():
        lines.append(f"| {emotion} | {c['precision']:.2f} | {c['recall']:.2f} | {c['f1']:.2f} | {c['support']} |")
    return "\n".join([*lines, ""])


def _limits(manifest: ClassifierManifest) -> str:
    gates = manifest.thresholds.gates
    return f"""## Limits

- FER2013's labels are noisy: the majority of ten people (FER+) agrees with them on 64 % of the pictures. Accuracy here
  is agreement with that one label.
- The calibration holds for FER2013's kind of picture. On a camera, most faces are neutral, and the same probability
  means something else.
- It fails most on fear, disgust and sadness, which it takes for one another, for anger or for neutral (table above).
- It fails on faces that are small, blurred or dark: under {gates.size_px} px, sharpness {gates.sharpness} or brightness
  {gates.brightness}, it is right on fewer than half of the hold-out's faces, and the worker abstains.
- Profiles, masks, hands over the mouth, cartoons and infants are rare in the data and not measured.
- No demographic audit exists: neither age, sex nor skin tone is labelled in the data. Photos from the web of 2013
  are no fair sample of people.
- Not for judging persons: no hiring, schooling, policing, credit or insurance. Inferring emotions at workplaces and in
  education is prohibited in the European Union (AI Act, Article 5(1)(f)), except for medical or safety reasons.
"""
