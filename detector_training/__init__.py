"""From box labels to the face detector that the worker ships: prepare, train, evaluate, export.

Each command is `python -m detector_training.NAME`; README.md tells them in order.
"""
