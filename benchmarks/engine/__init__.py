"""The scoring engine side by side with other ways to do the same work."""
