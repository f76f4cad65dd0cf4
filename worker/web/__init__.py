"""The windows: others may look in. Metrics and health on one port; pages and the API join in `worker.web.server`."""
