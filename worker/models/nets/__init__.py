"""Network architectures in torch: forward passes only, no training code."""
