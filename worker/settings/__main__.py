"""Write the annotated example and the reference again: python -m worker.settings (in the root of the checkout)."""

from pathlib import Path

from worker.settings.show import example, reference

Path("deploy/emotion-worker.example.yaml").write_text(example(), encoding="utf-8")
Path("docs/settings.md").write_text(reference(), encoding="utf-8")
