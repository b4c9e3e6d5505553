"""The whole decision, pure: no I/O, no clock, no randomness; `now` is always an argument."""
