"""The servers, for every test of the post."""

from tests.redis_server import redis_binary, redis_server

__all__ = ["redis_binary", "redis_server"]
