"""The public lead file "X Education"."""
