"""The words of the text reader: patterns over folded text (no case, no accents), with weights.

English first, then the main German, French and Spanish words. A weight of 2 decides alone, 1 leans,
0.5 only helps. To teach the reader a phrase, add it here and a row to its test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

INTENTS = ("buying", "support", "job", "vendor", "none")
URGENCIES = ("high", "medium", "low")
TIMELINES = ("now", "quarter", "year", "later")
# fmt: off
NEEDS = (
    "pricing",
    "demo",
    "integration",
    "migration",
    "security",
    "trial",
    "contract",
    "training",
    "reporting",
    "call",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Phrase:
    """One pattern with how strongly it speaks."""

    pattern: re.Pattern[str]
    weight: float


def _phrases(*rows: tuple[float, str]) -> tuple[Phrase, ...]:
    return tuple(
        Phrase(re.compile(rf"(?<![a-z0-9])(?:{alternatives})(?![a-z0-9])"), weight)
        for weight, alternatives in rows
    )


_PRODUCT = (
    r"(your|the|this|a|an|our|some|one|it|product|software|solution|tool|platform|licen[cs]es?)"
)
# fmt: off
INTENT_PHRASES: dict[str, tuple[Phrase, ...]] = {
    "buying": _phrases(
        (2, r"pric(e|es|ing)( list| range| quote)?|how much|what('s| is| does|"
            r" would)? .{0,30}\bcosts?"),
        (2, r"costs?|charges?|fees?|rates"),
        (2, r"quot(e|es|ation)|proposal|rfp|rfq|rfi|tender|purchase order"),
        (2, r"(book|schedule|request|see|watch|get|want|have|live|product|give us|like|"
            r"need) .{0,15}demo"),
        (1.5, r"demos?|demonstration|walk-?through|show us"),
        (2, r"(want|like|looking|ready|plan|planning|interested|intend|wish|need|hoping|"
            r"decided) "
            r"(to|in) (buy|buying|purchas\w+|order|subscrib\w+|sign up for|invest\w*)"),
        (2, rf"(buy|purchase) {_PRODUCT}|where .{{0,20}}\b(buy|purchase)|buy|purchase"),
        (2, r"(talk|speak|chat|connect|contact|touch|call|meet\w*)( \w+){0,3} (sales|"
            r"account executive)"),
        (2, r"(contact|sales|book|schedule|arrange|request|have|want|need|get|like|set ?up)"
            r"( \w+){0,2} (a |sales )?(call ?back|phone call|call|meeting)"),
        (2, r"(please |just |someone |somebody |to )(call|phone|ring|contact) (me|us)|call me"),
        (1, r"sales|(book|make|schedule|arrange|need|want)( \w+){0,2} appointment|packages?|"
            r"sign me up"),
        (1.5, r"sales (team|call|rep\w*|person|people|guys?|folks|department|man|contact|"
            r"support|pl)"),
        (1.5, r"(get|be|keep|stay) in touch|(talk|speak|chat) (to|with)( \w+){0,2} "
            r"(agent|representative|advisor|specialist|consultant)|live agent"),
        (1.5, r"(looking|searching|shopping|in the market) for|evaluat\w+|comparing (vendors|"
            r"options|tools)"),
        (1.5, r"(we|i)( are|'re|'m| am)? (very |really |also )?(interested|keen) (in|on)|"
            r"interested"),
        (1.5, r"(free )?trial|pilot|proof of concept|poc|try (it|this|your|out)"),
        (1.5, r"licen[cs](e|es|ing)|subscription|enterprise (edition|plan|version|licen[cs]e|"
            r"pricing|tier)"),
        (1, r"enterprise|paid (plan|version|tier)|premium|upgrade to"),
        (1.5, r"discounts?|special offer|offers?|deals?|promo(tion)?s?|coupon"),
        (2, r"emi|install?ments?|financing|lease|leasing|no cost emi|pay (monthly|yearly|"
            r"later|upfront)"),
        (1, r"payment (options?|plans?|terms|methods?)|cash on delivery|cod|invoice us"),
        (1.5, r"(re)?sellers?|distributors?|dealers?|retailers?|showrooms?|outlets?|"
            r"franchise\w*|dealership"),
        (1, r"stores?|shops? (in|near|at)|near (me|by)|available in|do you (sell|deliver|"
            r"ship)|in stock"),
        (1.5, r"roll ?out|onboard\w*|implement\w* (your|for|with)|replac(e|ing) our|"
            r"switch(ing)? (from|to)"),
        (1, r"\d+ (users?|seats?|licen[cs]es?|employees|agents|people)|budget|"
            r"decision ?maker|shortlist"),
        (0.5, r"more (info\w*|details?)|information (about|on)|tell me about|brochure|"
            r"datasheet|features?"),
        (1, r"(is|are) (\w+ ){1,4}(free|paid)|free or paid|free of charge|for free|"
            r"down ?payments?|financ(e|ing)"),
        (1, r"(nearest|nearby|closest|visit( \w+){0,2}|where( \w+){0,2}) (store|shop|branch|"
            r"showroom|office)s?"),
        (1, r"(connect|transfer) (me )?(to|with)( \w+){0,3} (agent|someone|sales|person|"
            r"representative)"),
        # German
        (2, r"preis(e|liste)?|was kostet|kosten|angebote?|kostenvoranschlag|offerte|lizenz(en)?"),
        (2, r"(kaufen|bestellen|beschaffen|erwerben)|kauf(interesse)?|vorfuhrung|produktdemo"),
        (1.5, r"(interesse|interessieren|interessiert) (an|uns|mich|fur)?|ruckruf|"
            r"rufen sie (mich|uns)"),
        (1.5, r"testversion|testzugang|testphase|beratungsgesprach|termin vereinbaren|"
            r"suchen eine losung"),
        # French
        (2, r"(le |les |vos |quel(s)? )?prix|tarifs?|devis|combien (coute|ca)|acheter|achat|"
            r"offre de prix"),
        (1.5, r"demonstration|essai gratuit|interesse(e|s)? par|me rappeler|rappelez|"
            r"prendre rendez"),
        # Spanish
        (2, r"precios?|cuanto cuesta|cotizacion|presupuesto|comprar|compra|tarifas|cotizar|"
            r"licencias?"),
        (1.5, r"interesad[oa]s? en|demostracion|prueba gratuita|llamar?me|contactar con ventas"), ),
    "support": _phrases(
        (2, r"(is|are|am|was|does|do|did|has|have|it|its|it's)n?('t| not)? .{0,20}\b(not |"
            r"n't )?working"),
        (2, r"(doesn|don|won|can|isn|didn|couldn|wasn|hasn)'?t (work|load|start|open|log|"
            r"login|connect|train" r"|install|access|see|find|receive\w*|get it|arrive\w*)"),
        (2, r"(not|never) (working|received|delivered|arrived|loading|responding|able to)"),
        (2, r"broken|errors?|bugs?|crash\w*|exception|stack ?trace|traceback|outage|"
            r"malfunction\w*"),
        (2, r"(help|issue|problem|trouble|stuck|struggling|difficult\w+) (with|to) (my|our|"
            r"the|log\w*|us\w+)"),
        (1.5, r"(my|our|an?|the) (issue|problem|ticket|complaint)|issues?|problems?|trouble"),
        (2, r"(reset|forgot(ten)?|change|lost) (my |our |the )?password|log ?in|cannot (log|"
            r"access)|locked out"),
        (2, r"refunds?|money back|cancel\w* (my|the|our|order|subscription|account)|"
            r"cancel(l?ation|l?ing)?"),
        (2, r"(my|our|the) (order|invoice|account|subscription|delivery|shipment|device|bot|"
            r"server|model)"),
        (2, r"orders? (status|number|id|no|related|#)|track\w*( my)? (order|shipment|"
            r"delivery|package)"),
        (2, r"return (it|my|the|order|this|policy)|how (do|can|to) (i |we )?return|exchange|"
            r"replacement"),
        (1.5, r"delay(ed|s)?|late delivery|still waiting|so (long|many days)|been (\d+|a|so|"
            r"one|two|over)"),
        (1.5, r"(support|help ?desk) (team|ticket|case|request)|technical (support|question|"
            r"issue)|customer service"),
        (1, r"how (do|can|to|should) (i |we )?(install|configure|restart|update|uninstall|"
            r"set ?up|fix|use|debug)"),
        (1, r"install(ation|ing)?|documentation|tutorials?|docs|version of"),
        # German
        (2, r"funktioniert nicht|geht nicht|fehler(meldung)?|storung|kaputt|defekt|"
            r"reklamation|abgesturzt"),
        (2, r"passwort|anmelden|einloggen|kundigen|kundigung|ruckerstattung|rucksendung|"
            r"meine bestellung"),
        (1.5, r"problem(e)? mit|hilfe bei"),
        # French
        (2, r"ne (fonctionne|marche) (pas|plus)|erreur|en panne|mot de passe|remboursement|"
            r"ma commande"),
        (1.5, r"probleme|resilier|annuler|connexion impossible"),
        # Spanish
        (2, r"no funciona|error(es)?|averia|contrasena|reembolso|devolucion|mi pedido|cancelar"),
        (1.5, r"problema|soporte tecnico|ayuda con"), ),
    "job": _phrases(
        (2.5, r"(job|work|employment|career|internship) (opening|opportunit|application|offer|"
            r"at|with|vacanc)\w*"),
        (2.5, r"(apply|applying|applied|application) (for|to) (a |the |your |an )?(job|"
            r"position|role|vacanc|internship|opening)\w*"),
        (2.5, r"(my|attached|the attached) (cv|resume|curriculum vitae|portfolio|"
            r"cover letter)|cv|resume attached"),
        (2.5, r"(are you|you are|you're|still) hiring|open positions?|vacanc(y|ies)|"
            r"internships?|job seeker"),
        (2, r"looking for (a )?(job|work|employment|internship|position|new role)|"
            r"recruiter contact|hiring manager"),
        (2.5, r"bewerb(e|ung|en)|stellenangebot|offene stellen?|lebenslauf|praktikum|"
            r"ausbildungsplatz|initiativbewerbung"),
        (2.5, r"candidature|offre d'emploi|recherche (un )?(emploi|stage)|mon cv|alternance"),
        (2.5, r"busco (trabajo|empleo)|solicitud de empleo|mi curriculum|vacantes?|"
            r"practicas profesionales"), ),
    "vendor": _phrases(
        (2.5, r"(we|i|our (company|agency|team|firm)) (can |could )?(offer|provide|specialize|"
            r"specialise|deliver|help (companies|businesses|you))( you)?"),
        (2.5, r"(seo|link ?building|web ?design|web development|outsourc\w+|offshore|staffing|"
            r"lead generation|app development|digital marketing) (services?|agency|company|"
            r"team|experts?)"),
        (2.5, r"guest (post|blog)\w*|backlinks?|sponsored (post|article|content)|"
            r"link exchange|domain authority"),
        (2, r"(increase|boost|grow|improve|double|skyrocket) your (traffic|sales|rank\w*|"
            r"revenue|leads|website|conversion\w*|online)"),
        (2, r"(came across|noticed|visited|reviewed|found) your (website|site|company|"
            r"profile|page)"),
        (2, r"(partnership|collaboration|business|investment|loan) (proposal|opportunit\w+|"
            r"offer)|white ?label|email list|contact list"),
        (2, r"(15|20|30|quick|brief)[- ](minute|min|call).{0,40}(how we|our (services|"
            r"solution|product))"),
        (2.5, r"wir (bieten|sind spezialisiert|unterstutzen unternehmen)|unsere? (agentur|"
            r"dienstleistung\w*)"),
        (2.5, r"(nous proposons|notre agence|nos services)|(ofrecemos|nuestra agencia|"
            r"nuestros servicios)"), ),
    }
# fmt: on

#: Whoever writes this wants nothing from us: no buying intent, whatever else the text says.
# fmt: off
REFUSALS = _phrases(
    (2, r"(not|no longer|never|isn't|aren't|ain't|wasn't) (at all |really |currently |"
            r"very )?interested"),
    (2, r"unsubscribe|opt( me)? out|remove (me|us|my)|take (me|us) off|stop (email|"
            r"contact|call|send|writ|messag|spam)\w*"),
    (2, r"(don't|do not|dont|please don't|never) (contact|call|email|write|message|"
            r"send)( \w+)? ?(me|us|any|again)"),
    (2, r"(the |your |a )?newsletter( subscription)?"),
  # wants to read, not to buy
    (2, r"leave (me|us) alone|not (looking|shopping) (for|to)|no (interest|thanks|" r"thank you)"),
    (2, r"(just|only) (browsing|looking( around)?|curious)|wrong (person|number|company)"),
    (2, r"kein(e)? interesse|nicht (mehr )?interessiert|abmelden|abbestellen|austragen"),
    (2, r"pas (du tout )?interesse\w*|desinscri\w+|desabonn\w+"),
    (2, r"no (me|nos) interesa|no (estoy|estamos) interesad\w+|darme de baja|"
            r"cancelar suscripcion"),
)
# fmt: on

#: Before a phrase in the same clause, these turn it off.
NEGATION = re.compile(
    r"(?:\b(?:not|no|never|without|neither|nor|cannot|kein(?:e|en|em|er)?|nicht|"
    r"ohne|pas|sans|jamais"
    r"|sin|nunca|ni)\b|n't\b|\bdont\b)(?! only\b| just\b| nur\b)(?:[ '\w-]){0,24}$"
)
CLAUSE_END = re.compile(r"[.!?;,\n]|\b(?:but|however|aber|mais|pero|sondern)\b")

# fmt: off
NEED_PHRASES: dict[str, tuple[Phrase, ...]] = {
    "pricing": _phrases(
        (1, r"pric(e|es|ing)|how much|costs?|quot(e|es|ation)|fees?|rates|emi|discounts?|"
            r"preise?|was kostet|kosten|angebot|prix|tarifs?|devis|precios?|cuanto cuesta|"
            r"cotizacion|tarifas")),
    "demo": _phrases(
        (1, r"demos?|demonstration|walk-?through|vorfuhrung|produktdemo|demostracion")),
    "integration": _phrases(
        (1, r"integrat\w+|api|webhooks?|connectors?|connect (it |this )?(to|with)|sync\w*|"
            r"plug-?ins?|sso|schnittstellen?|anbindung|integration\w*|integracion\w*")),
    "migration": _phrases(
        (1, r"migrat\w+|switch(ing)? from|mov(e|ing) (away )?from|replac(e|ing) (our|the)|"
            r"import our|umstieg|wechseln von|ablos\w+|migracion|remplacer")),
    "security": _phrases(
        (1, r"secur\w+|gdpr|dsgvo|rgpd|soc ?2|iso ?27001|hipaa|complian\w+|data protection|"
            r"datenschutz|encrypt\w+|penetration test|sicherheit|securite|seguridad|"
            r"data residency")),
    "trial": _phrases(
        (1, r"trials?|pilot|proof of concept|poc|try (it|this|your|out)|test(version|zugang|"
            r"phase)|essai|prueba (gratuita|gratis)|sandbox")),
    "contract": _phrases(
        (1, r"contracts?|agreement|terms (and|&) conditions|msa|dpa|nda|sla|purchase order|"
            r"legal review|redlines?|vertrag\w*|avv|contrats?|contratos?|renewal")),
    "training": _phrases(
        (1, r"training|workshops?|onboarding|certification|schulung\w*|einfuhrung|formation|"
            r"capacitacion|formacion")),
    "reporting": _phrases(
        (1, r"report(s|ing)?|dashboards?|analytics|kpis?|auswertung\w*|berichte?|"
            r"tableaux? de bord|informes?|metricas")),
    "call": _phrases(
        (1, r"call ?back|(phone|sales|a) call|call (me|us)|ruckruf|rufen sie|anrufen|"
            r"rappele?r?z?|rappeler|llamar?me|llamenos|meeting|termin")),
    }
# fmt: on

# fmt: off
TIMELINE_PHRASES: dict[str, tuple[Phrase, ...]] = {
    "now": _phrases(
        (2, r"asap|a\.s\.a\.p|as soon as possible|immediate(ly)?|urgent(ly)?|right away|"
            r"right now|straight away|today|tomorrow|tonight|this (week|month)|next week|"
            r"at once|by (monday|tuesday|wednesday|thursday|friday)|end of (the|this) (week|"
            r"month)"),
        (2, r"sofort|dringend|schnellstmoglich|so bald wie moglich|umgehend|eilt|heute|"
            r"morgen|diese[nr]? (woche|monat)|nachste woche"),
        (2, r"urgence|tout de suite|immediatement|des que possible|au plus vite|aujourd'hui|"
            r"demain|cette semaine|ce mois"),
        (2, r"urgente(mente)?|cuanto antes|lo antes posible|inmediat\w+|hoy|manana|"
            r"esta semana|este mes"), ),
    "quarter": _phrases(
        (2, r"(this|next|coming|end of( the)?) quarter|q[1-4]|next month|(within|"
            r"in) the next (few|couple of) (weeks|months)|(a )?(few|couple of|several) weeks"),
        (2, r"(dieses|nachstes|kommendes) quartal|nachsten? monat|in den nachsten wochen"),
        (2, r"(ce|prochain) trimestre|le mois prochain|trimestre prochain|(este|"
            r"proximo) trimestre|(el )?proximo mes|mes que viene"), ),
    "year": _phrases(
        (2, r"(this|later this|next|coming|end of( the)?) (fiscal )?year|by year[- ]?end|"
            r"(second|first) half|h[12]|within (a|the) year"),
        (2, r"(dieses|nachstes|kommendes) jahr|jahresende|(cette|fin d'|"
            r"l')annee( prochaine)?|(este|el proximo) ano|ano que viene|fin de ano"), ),
    "later": _phrases(
        (2, r"some ?day|(in|for) the (distant )?future|eventually|no (rush|hurry|timeline)|"
            r"not (yet|now|urgent|at the moment|right now|this year)|(maybe|perhaps) later|"
            r"later on|just (browsing|looking|exploring|researching)|down the road|"
            r"not in a hurry|early stage"),
        (2, r"irgendwann|spater|keine eile|nicht (dringend|eilig)|in zukunft|plus tard|"
            r"pas (urgent|presse)|un jour|mas adelante|sin prisa|no (es )?urgente|algun dia"), ),
    }
# fmt: on

#: "in 3 months", "within two weeks", "innerhalb von 6 Monaten", "d'ici 3 mois", "en 2 semanas".
# fmt: off
DURATION = re.compile(
    r"\b(?:in|within|over|next|innerhalb von|binnen|nachsten|d'ici|dans|sous|en|"
    r"dentro de|proximos)"
    r"(?: the)?(?: next)?(?: about| around)? (?P<count>\d{1,3}|a|one|two|three|four|"
    r"five|six|nine|twelve"
    r"|ein|einem|zwei|drei|sechs|un|une|deux|trois|six|dos|tres|seis)(?:\s*(?:-|to|"
    r"bis|a)\s*\d{1,3})?"
    r" (?P<unit>days?|weeks?|months?|quarters?|years?|tag\w*|woche\w*|monat\w*|"
    r"jahr\w*|jours?|semaines?" r"|mois|ans?|dias?|semanas?|mes(?:es)?|anos?)\b")
COUNT_WORDS = {
    "a": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "nine": 9,
    "twelve": 12,
    "ein": 1,
    "einem": 1,
    "zwei": 2,
    "drei": 3,
    "sechs": 6,
    "un": 1,
    "une": 1,
    "deux": 2,
    "trois": 3,
    "dos": 2,
    "tres": 3,
    "seis": 6,
    }
UNIT_DAYS = (
    ("da", 1),
    ("di", 1),
    ("jour", 1),
    ("ta", 1),
    ("w", 7),
    ("sem", 7),
    ("mo", 30),
    ("mes", 30),
    ("q", 91),
    ("y", 365),
    ("ja", 365),
    ("a", 365),
)
# fmt: on

SOON = _phrases((1, r"soon|shortly|quickly|bald|zeitnah|prochainement|bientot|rapidement|pronto"))
# fmt: off
DEADLINES = _phrases(
    (1, r"deadline|time[- ]sensitive|critical|high priority|top priority|emergency|"
            r"expir(es|ing)|frist|notfall|date limite|prioritaire|fecha limite|prioridad"),
)
BUDGET = _phrases(
    (1, r"budgets?(ed)?|funding|funded|approved spend|allocated|budgetier\w+|"
            r"presupuesto (de|aprobado|asignado)|enveloppe"),
    (1, r"(spend|pay|invest|up to|around|about|under)( \w+){0,2} [$€£]\s?\d[\d.,]*\s?[km]?"),
    (1, r"[$€£]\s?\d[\d.,]*\s?[km]? (per|a) (month|year|seat|user)|\d[\d.,]*\s?(k|tsd|"
            r"eur|euros?|usd|dollars) (budget|per year|pro jahr|par an)"),
)
# fmt: on
