"""The floor plan: the only place that knows all rooms. `workshop` and `study` fit rooms to the hall, `reports` connects
what they tell to metrics and logs, `house` starts and stops everything in order."""
