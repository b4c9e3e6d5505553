"""Screens: thin functions `render(...)` over `data.metrics`."""
