"""What a job title says: how senior, and in which department. Tables for English, German, French,
Spanish, Italian and Dutch; a title that no row recognises stays unknown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from scoring.cleaning import fold, one_line

# fmt: off
SENIORITIES = (
    "c_level",
    "vp",
    "director",
    "manager",
    "senior",
    "individual",
    "student",
)
# fmt: on
DEPARTMENTS = (
    "executive",
    "sales",
    "marketing",
    "it",
    "engineering",
    "finance",
    "operations",
    "hr",
    "legal",
    "purchasing",
    "other",
)


@dataclass(frozen=True, slots=True)
class Title:
    """What a job title says; "" = it does not say."""

    seniority: str = ""
    department: str = ""


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(r"(?<![a-z0-9])(?:" + "|".join(alternatives) + r")(?![a-z0-9])")


def _parts(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives))


#: Not this person's present post: nothing can be said.
_FORMER = _words(
    r"(former|ex|retired|ehemaliger?|ancien(ne)?|pensionado|jubilado)(-|\b).*",
    "rentner(in)?",
)
#: Works for the person named after it: "Assistant to the CEO", "Assistenz der Geschaftsfuhrung".
# fmt: off
_SERVES = _words(
    r"(assistant|secretary|pa|ea|aide|advisor|adviser|assisten(t|z|tin)|"
    r"referent(in)?|sekretar(in)?"
    r"|assistante?|secretaire|asistente|secretari[ao]|assistente|segretari[ao])"
    r"( \w+)? ?(to|of|for|der|des|vom|von|de|du|del|della|di|van|bij|,|-) .*",
    r"(executive|personal|management|vorstands?|direktions?|geschaftsfuhrungs?|"
    r"directie|office)[ -]?"
    r"(assistant|assisten(t|z|tin|te)|secretary|sekretar(in)?|secretaresse)",
    r"(ceo|cfo|cto|coo|cmo) (assistant|office)",
    r"office of the .*",
    r"assistant(e)? (de|du) .*",
)
_STUDENT = _words(
    r"(phd |doctoral |graduate |medical |law )?students?",
    *("intern", "internship", "trainee", "apprentice", "undergraduate", "schuler(in)?"),
    *(r"studenti?n?", r"studierender?", "werkstudent(in)?", "praktikant(in)?", "azubi"),
    *("auszubildende[rn]?", "etudiante?", "stagiaire", "alternante?", "estudiante", "becari[ao]"),
    *("practicante", "studente(ssa)?", "tirocinante", "stagista", "stagiair", "leerling"),
)
# fmt: on
_WORKS_WITH_STUDENTS = _words(
    r"students? (success|services|affairs|recruitment|relations|support|advisor|"
    r"counsel\w+).*"
)
# fmt: off
_C_LEVEL = _words(
    r"chief [a-z&, -]*officer",
    r"c[efotmirpd]o",
    *("ciso", "chro", "cxo", "cco", "clo", "cpto", "cso", "cdio"),
    r"(co-? ?)?founder",
    "cofounder",
    "(founding|equity) partner",
    r"^partner$",
    "(co-? ?)?grunder(in)?",
    "fondat(eur|rice)",
    "fundador(a)?",
    "fondatore",
    "oprichter",
    r"(?<!product )(?<!process )(?<!account )(?<!data )(?<!system )(?<!risk )(?<!service )"
    r"(business |company |shop |store |sole )?owner",
    *("president", "chair(man|woman|person)?", "managing (director|partner)", "proprietor"),
    *("geschaftsfuhrer(in)?", "geschaftsfuhrende[rn]? \\w+", "geschaftsleit(er|ung)(in)?"),
    *("inhaber(in)?", "vorstand(svorsitzende[rn]?|smitglied)?", "prokurist(in)?"),
    *("pdg", "president directeur general", "direct(eur|rice) general(e)?", "gerant(e)?", "dg"),
    *("director(a)? general", "consejer[oa] delegad[oa]", "presidente", "propietari[oa]",
        "dueno"),
    *("amministrat(ore|rice) (delegat[oa]|unic[oa])", "direttor[ei] generale", "titolare"),
    *("algemeen directeur", "directeur[ -]eigenaar", "(mede-?)?eigenaar", "bestuurder", "dga"),
)
_VP = _words(
    r"[sea]?vp",
    r"(senior |executive |assistant |regional )*vice[ -]?president(e|in)?",
    "vizeprasident(in)?",
    "vice[ -]presidente",
    "vice[ -]chair(man|woman)?",
)
_DIRECTOR = _words(
    *(r"director(a|s)?", "dir", "direct(eur|rice)", "direktor(in)?", "direttor[ei]", "direttrice"),
    *("head of", "global head", "group head", r"\w+ head", "chief of staff", "principal director"),
    *("(haupt)?abteilungsleit(er|ung)(in)?", "bereichsleit(er|ung)(in)?", "leit(er|erin|ung)"),
    r"(it|edv|hr|vertriebs|marketing|personal|finanz|produktions|werks|betriebs|"
    r"einkaufs|technik"
    r"|verkaufs|entwicklungs|logistik|rechts|kommunikations)[ -]?(leit(er|erin|ung)|"
    r"chef(in)?|direktor)",
    *("hoofd", "afdelingshoofd", "dirigente", "regional manager", "general manager"),
)
_MANAGER = _words(
    *(r"managers?", "mgr", "managerin", "manageress", "supervisor", "team ?lead(er)?", "foreman"),
    "(team|gruppen|projekt|filial|schicht|markt|bau|kunden)[ -]?leit(er|ung)(in)?",
    *("leit(er|erin|ung) (projekt|team)\\w*", "responsable", "responsabile", "gerente", "jef[ae]"),
    *("gestionnaire", "encargad[oa]", "coordinat(eur|rice|ore)", "coordinador(a)?", "capo\\w*"),
    *("chef de (service|projet|produit)", "teamleider", "leidinggevende", "bedrijfsleider"),
    "scrum master",
)
# fmt: on
_OUTRANKS = _words("directors?", "head of", "(regional|general) manager")
#: Say "manager" or "executive" but manage accounts or a community, not people.
# fmt: off
_NOT_MANAGER = _words(
    r"(key |strategic |technical |senior |junior )*account (manager|executive|" r"owner)(in)?",
    r"(customer|client) success (manager|associate)(in)?",
    *("community manager(in)?", "office manager(in)?", "case manager(in)?", "social media manager"),
    *("assistant manager", "product owner", "process owner"),
)
_SENIOR = _words(
    *("senior", "sr", "lead", "principal", "staff (engineer|developer|scientist)", "expert(e|in)?"),
    *("key account", "architect(e)?", "architekt(in)?", "arquitect[oa]", "fellow"),
)
# fmt: on
_JUNIOR_LEAD = _words(r"leads? (gen|generation|management|qualification|capture).*")
# fmt: off
_INDIVIDUAL = _words(
    *("junior", "jr", "associate", "assistant", "assisten(t|z|tin|te)", "asistente",
        "analyst\\w*"),
    *("specialist\\w*", "spezialist(in)?", "engineer", "developer", "programmer", "designer"),
    *("consultant(e|in)?", "berater(in)?", "consultor(a)?", "consulente", "conseiller",
        "adviseur"),
    *("representative", "rep", "executive", "agent", "clerk", "administrator", "administrateur"),
    *("coordinator", "koordinator(in)?", "accountant", "bookkeeper", "buyer", "recruiter",
        "advisor"),
    *("technician", "techniker(in)?", "technicien(ne)?", "tecnico", "operator", "planner",
        "writer"),
    *("editor", "scientist", "researcher", "teacher", "lecturer", "professor(in)?", "nurse",
        "doctor"),
    *("physician", "pharmacist", "therapist", "driver", "lawyer", "attorney", "counsel",
        "solicitor"),
    *("sachbearbeiter(in)?", "mitarbeiter(in)?", "referent(in)?", "kaufmann", "kauffrau",
        "anwalt"),
    *("\\w*entwickler(in)?", "\\w*ingenieur(in|e)?", "ingeniero", "ingegnere", "developpeur"),
    *("charge(e)? d[e' ].*", "comptable", "contable", "commercial(e)?", "vendeur",
        "vendedor(a)?"),
    *("medewerker", "verkoper", "einkaufer(in)?", "\\w*verkaufer(in)?", r"\w*buchhalter(in)?",
        "acheteur"),
    *("employee", "employe(e)?", "emplead[oa]", "impiegat[oa]", "secretary", "receptionist",
        "staff"),
    *(r"\w*audit(or|eur|orin)", "(hr|business|channel) (business )?partner", "trainer(in)?"),
    *("freelancer?", "contractor", "secretaire", "sekretar(in)?", "controller(in)?", "officer"),
)
# fmt: on

#: The post of a C-level person names their department.
# fmt: off
_OFFICER_DEPARTMENTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_words("cfo", r"chief (financial|finance|accounting|investment) officer"), "finance"),
    (_words("cto", "cio", "ciso", r"chief [a-z ]*(technology|technical|information|digital|data)"
            r"[a-z ]*officer", "cdo", "cdio"), "it"),
    (_words("cmo", r"chief (marketing|brand|growth|communications?) officer"), "marketing"),
    (_words("cro", "cso", r"chief (revenue|sales|commercial) officer"), "sales"),
    (_words("coo", r"chief operat(ing|ions) officer"), "operations"),
    (_words("chro", r"chief (human resources?|people|hr|talent) officer"), "hr"),
    (_words("clo", r"chief (legal|compliance) officer"), "legal"),
    (_words(r"chief (procurement|purchasing) officer"), "purchasing"),
    (_words(r"chief product( and technology)? officer", "cpto"), "engineering"),
)
# fmt: on
#: First match wins, so the narrower trades come before the wider ones.
# fmt: off
_DEPARTMENT_WORDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_parts(r"\bpurchas", r"\bprocurement", r"\bbuyer\b", r"\bsourcing\b", "einkauf",
        r"\bachats?\b", r"\bacheteu", r"\bcompras\b", r"\bcomprador", r"\bacquisti\b", r"\binkoop"),
        "purchasing"),
    (_parts(r"\bhr\b", r"human resource", r"\bhuman capital", r"\btalent\b", r"\brecruit",
        r"\bpeople\b", r"personal(leit|abteil|wesen|referent|entwick|chef|manag|beschaff)",
        r"leit\w+ personal\b", r"ressources humaines", r"\brrhh\b", r"recursos humanos",
        r"risorse umane", r"\bdrh\b", r"personeelszaken", r"\bpersonnel\b"), "hr"),
    (_parts(r"\blegal\b", r"\blawyer", r"\battorney", r"\bcounsel\b", r"\bsolicitor",
        r"\bparalegal", r"\bcompliance\b", r"\bjurist", r"rechts(anw|abt|leit)", r"\brecht\b",
        r"\bjuridi", r"\bgiuridic", r"\blegale\b", r"\bavocat", r"\babogad", r"\bavvocat",
        r"\bnotar"), "legal"),
    (_parts(r"\bproduct marketing", r"\bmarketing (operations|manager|director)"), "marketing"),
    (_parts(r"\bsales\b(?!force)", "vertrieb", "verkauf", r"\bvent(e|es|as)\b", r"\bvendite\b",
        r"\bverkoop", r"\bcommercial", r"\bkommerziel", r"\bbusiness development", r"\bbdr\b",
        r"\bsdr\b", r"\baccount (manag|execut)", r"\bkey account", r"\brevenue\b", r"\bvendeu",
        r"\bvendedor", r"\baussendienst", r"\bcustomer success", r"\bbizdev\b"), "sales"),
    (_parts(r"\bmarketing", r"\bmarketeer", r"\bbrand\b", r"\bseo\b", r"\bcontent\b",
        r"\b(demand|lead) gen", r"\bgrowth\b", r"\bcommunicat?i", r"kommunikation",
        r"\bcommunicatie", r"\bsocial media", r"\bpublic relations", r"\bpr\b", r"\bwerbung",
        r"\bpublicidad", r"\bcampaign", r"\bcrm\b", r"\bcommunity manag", r"\bmercadeo"),
        "marketing"),
    (_parts(r"\bfinanc", "finanz", r"\bfinanzi", r"\baccount(ant|ing|s)\b", r"\bbookkeep",
        "buchhalt", r"controlling", r"\bcontroller", r"\btreasur", r"\btax\b", r"\bsteuer",
        r"\baudit", r"\bcomptab", r"\bcontab", r"\bboekhoud", r"\bfinancieel", r"\bpayroll",
        r"\bdaf\b", r"\bbilling\b", r"\binvest"), "finance"),
    (_parts(r"\bi\.?t\.?\b", r"\bict\b", r"\bedv\b", r"information (technology|system|security)",
        "informati[kqc]", r"\bsystems? (admin|engineer|analyst)", r"\bsysadmin", r"\bsistemas\b",
        r"\bnetwork", r"\bnetzwerk", r"\binfrastructure", r"\bhelp ?desk", r"\bcyber",
        r"\binfosec", r"\bsecurity (engineer|analyst|architect|manager)", r"\bdevops\b",
        r"\bsre\b", r"\bdba\b", r"\bdatabase", r"\bcloud\b", r"\bsalesforce admin", r"\bdsi\b",
        r"\btechnical support", r"\bdigitali[sz]ation", r"\bdigital transformation"), "it"),
    (_parts(r"\bengineer", r"\bdeveloper", "entwickl", r"\bsoftware\b", "ingenieur", r"\bingenier",
        r"\bingegner", r"\bdeveloppe", r"\bdesarroll", r"\bsviluppat", r"\bontwikkel", r"\br&d\b",
        r"\bresearch", r"\bforschung", r"\bproduct (owner|manage|director|designer|lead|develop)",
        r"\bhead of product", r"\bvp,? product", r"\bqa\b", r"\bdata (scien|engin|analy)",
        r"\bprogramm(er|ierer)", r"\barchite[ck]t", r"\btechnik", r"\bkonstruk", r"\btechnolog",
        r"\bmachine learning", r"\bux\b", r"\bscrum\b", r"\btechnical\b", r"\bscientist"),
        "engineering"),
    (_parts(r"\boperations?\b", r"\bops\b", r"\boperativ", r"\boperaciones\b", r"\bbetrieb",
        r"\bsupply", r"\blogisti", r"\bproduction\b", "produktion", r"\bproduccion",
        r"\bproduzione", r"\bplant\b", r"\bmanufactur", r"\bfacilit", r"\bwarehouse", r"\blager",
        r"\bquality", r"\bqualitat", r"\bproject", r"\bprojekt", r"\bprojet", r"\bproyecto",
        r"\bprogram manager", r"\bpmo\b", r"\bwerks?leit", r"\boffice manag",
        r"\bservice delivery", r"\bfleet\b", r"\bbackoffice", r"\bcustomer (service|support|care)",
        r"\bkundenservice", r"\bexport\b"), "operations"),
)
_OTHER = _words(
    *("teacher", "lecturer", "professor(in)?", "nurse", "physician", "pharmacist", "doctor",
        "driver"),
    *("therapist", "chef", "cook", "journalist", "editor", "artist", "architect", "consultant"),
    *("berater(in)?", "consultor(a)?", "consulente", "librarian", "pastor", "soldier", "farmer"),
    *("assistant", "assisten(t|z|tin|te)", "secretary", "receptionist", "sekretar(in)?"),
)
# fmt: on


@lru_cache(maxsize=20_000)
def read_title(text: str) -> Title:
    """Seniority and department of a job title; each is "" where the title does not say."""
    title = " ".join(fold(one_line(text)).replace("/", " / ").replace("&", " & ").split())
    title = title.replace("r & d", "r&d").replace("vice-president", "vice president")
    if not title or _FORMER.match(title):
        return Title()
    if _SERVES.search(title) and not _VP.search(title):
        return Title("individual", "other")
    seniority = _seniority(title)
    return Title(seniority, _department(title, seniority))


def _seniority(title: str) -> str:
    if _STUDENT.search(title) and not _WORKS_WITH_STUDENTS.search(title):
        return "student"
    if _VP.search(title):
        return "vp"
    if _C_LEVEL.search(title):
        return "c_level"
    for pattern, seniority in (
        (_JUNIOR_LEAD, _above_individual),
        (_NOT_MANAGER, _account_level),
    ):
        if pattern.search(title):
            return seniority(title)
    return _above_individual(title)


def _account_level(title: str) -> str:
    if _DIRECTOR.search(title):
        return "director"
    return "senior" if _SENIOR.search(title) or "owner" in title else "individual"


def _above_individual(title: str) -> str:
    if _MANAGER.search(title) and not _OUTRANKS.search(title):
        return "manager"
    if _DIRECTOR.search(title):
        return "director"
    if _SENIOR.search(_JUNIOR_LEAD.sub(" ", title)):
        return "senior"
    known = _INDIVIDUAL.search(title) or _JUNIOR_LEAD.search(title)
    return "individual" if known else ""


def _department(title: str, seniority: str) -> str:
    if seniority == "student":
        return ""
    for pattern, department in _OFFICER_DEPARTMENTS:
        if pattern.search(title):
            return department
    for pattern, department in _DEPARTMENT_WORDS:
        if pattern.search(title):
            return department
    if seniority == "c_level" and not _words("cpo").search(title):
        return "executive"
    return "other" if seniority in {"", "individual", "senior"} and _OTHER.search(title) else ""
