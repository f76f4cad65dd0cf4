"""The post: records leave in order, once, each with its number; what cannot leave is told."""
