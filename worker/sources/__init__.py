"""The door: a URL becomes frames (open, decode, pace, reconnect, watch)."""
