"""The runtime: command line, settings, supervisor, jobs, pipeline and the dashboard's server."""
