"""One module a client; each has a `play(check)`."""
