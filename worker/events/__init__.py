"""The study: what the models see over time becomes tracks, stable emotions and records.

`worker.events.schema` and `worker.events.consumer` need redis and pydantic alone: they are what other programs import.
"""
