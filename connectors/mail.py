"""What the subject of an e-mail tells, whichever CRM keeps it."""

from __future__ import annotations

import re

_AUTOMATIC = re.compile(
    r"\s*(?:(?:re|aw|antw|sv|wg|fwd?)\s*:\s*)*\[?"
    r"(?:auto(?:matic|mated|matische|matisk)?[ -]?(?:reply|response|answer|antwort|svar)"
    r"|out[ -]of[ -](?:the[ -])?office|ooo\b|abwesenheits?(?:notiz|meldung|nachricht)?\b"
    r"|abwesend\b|absence(?: du bureau)?\b|réponse automatique|respuesta automática"
    r"|fuera de (?:la )?oficina|risposta automatica|autosvar|frånvaro)",
    re.IGNORECASE,
)


def is_automatic(subject: str | None) -> bool:
    """Whether an incoming e-mail was written by a mail program, such as "Automatic reply: …"."""
    return subject is not None and _AUTOMATIC.match(subject) is not None
