"""How fast Leadlight is, measured side by side with what it cannot beat."""
