"""Ports and adapters to the outside: raw outside shapes stop here."""
