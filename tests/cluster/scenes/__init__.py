"""The scenes, by theme."""
