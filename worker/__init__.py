"""The streaming face-emotion worker: a frame comes in at one door, a record leaves at the other."""

__version__ = "0.1.0"
