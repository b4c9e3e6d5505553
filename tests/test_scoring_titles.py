from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.titles import DEPARTMENTS, SENIORITIES, read_title


@pytest.mark.parametrize(
    ("text", "seniority", "department"),
    [
        ("CEO", "c_level", "executive"),
        ("Founder & CEO", "c_level", "executive"),
        ("CFO", "c_level", "finance"),
        ("CTO / Co-founder", "c_level", "it"),
        ("Chief Information Security Officer", "c_level", "it"),
        ("Owner", "c_level", "executive"),
        ("Product Owner", "senior", "engineering"),
        ("President", "c_level", "executive"),
        ("VP Engineering", "vp", "engineering"),
        ("Senior Vice President, Sales", "vp", "sales"),
        ("Head of Marketing", "director", "marketing"),
        ("Director of IT", "director", "it"),
        ("General Manager", "director", ""),
        ("Regional Sales Director", "director", "sales"),
        ("Marketing Manager", "manager", "marketing"),
        ("Team Lead", "manager", ""),
        ("Account Manager", "individual", "sales"),
        ("Lead Generation Specialist", "individual", "marketing"),
        ("Senior Software Engineer", "senior", "engineering"),
        ("Software Engineer", "individual", "engineering"),
        ("Assistant to the CEO", "individual", "other"),
        ("Executive Assistant", "individual", "other"),
        ("Student", "student", ""),
        ("Student Success Manager", "manager", ""),
        ("Former CEO", "", ""),
        ("Wizard of light", "", ""),
        ("IT Leiter", "director", "it"),
        ("Leiter IT", "director", "it"),
        ("Vertriebsleiter", "director", "sales"),
        ("Geschäftsführerin", "c_level", "executive"),
        ("Assistentin der Geschäftsführung", "individual", "other"),
        ("Einkäufer", "individual", "purchasing"),
        ("Werkstudent", "student", ""),
        ("Directeur Général", "c_level", "executive"),
        ("Directrice des achats", "director", "purchasing"),
        ("Responsable marketing", "manager", "marketing"),
        ("Stagiaire", "student", ""),
        ("Jefe de ventas", "manager", "sales"),
        ("Director de Operaciones", "director", "operations"),
        ("Amministratore Delegato", "c_level", "executive"),
        ("Responsabile acquisti", "manager", "purchasing"),
        ("Hoofd Inkoop", "director", "purchasing"),
        ("Algemeen directeur", "c_level", "executive"),
        ("", "", ""),
    ],
)
def test_a_title_tells_seniority_and_department(text: str, seniority: str, department: str) -> None:
    found = read_title(text)
    assert (found.seniority, found.department) == (seniority, department)


@given(st.text())
def test_any_title_gives_words_of_the_vocabulary(text: str) -> None:
    found = read_title(text)
    assert found.seniority in ("", *SENIORITIES)
    assert found.department in ("", *DEPARTMENTS)
