"""A Kubernetes cluster on one machine, and what the scenes need to ask it."""
