"""Trains, compares, measures and exports the emotion classifiers."""
