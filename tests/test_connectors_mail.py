"""What the subject of an e-mail tells."""

from __future__ import annotations

import pytest

from connectors.mail import is_automatic


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: your offer",
        "Re: Auto-Reply: your offer",
        "Out of Office",
        "Out of the office until Monday",
        "OOO: back on Monday",
        "Abwesenheitsnotiz: Angebot",
        "AW: Automatische Antwort: Angebot",
        "Réponse automatique : devis",
        "Respuesta automática: oferta",
        "[Auto-response] ticket",
    ],
)
def test_what_a_mail_program_answers_is_no_reply(subject: str) -> None:
    assert is_automatic(subject)


@pytest.mark.parametrize(
    "subject",
    ["Re: Following up", "Automation for our office", "Our office in Berlin", "", None, "Oooh!"],
)
def test_what_a_person_writes_is_one(subject: str | None) -> None:
    assert not is_automatic(subject)
