"""Words the sandbox's world is made of. Every name, company and number in it is invented.

Domains end in `.example`; phone numbers come from ranges that their countries keep free for
fiction; addresses at real mail providers have a form that those providers do not allow.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Country:
    """One country of the world: names in use there, cities, and how invented numbers look."""

    code: str
    label: str
    spellings: tuple[str, ...]
    cities: tuple[str, ...]
    first: tuple[str, ...]
    last: tuple[str, ...]
    phones: tuple[str, ...]  # '#' stands for a digit; empty: none is free for fiction
    language: str
    weight: int


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_EN_FIRST = _words(
    "Amelia Brooke Caleb Dana Elliot Farrah Grant Hazel Imani Jordan Kendra Logan "
    "Maya Nolan Odette Priya Quentin Rosa Sterling Tessa Uriel Vivian Wesley Ximena "
    "Yusuf Zoe Marcus Talia"
)
_EN_LAST = _words(
    "Abernathy Birchall Castellan Dunmore Ellsworth Fairbank Garrow Hollis Ingram "
    "Jessop Kestrel Lockhart Merriweather Northcote Okafor Pemberly Quill Ravenscroft "
    "Sutherby Thackeray Underhay Vance Whitlock Yardley Zimmer Adeyemi Castillo "
    "Nakagawa"
)

#: 555-01xx is kept for fiction in every area code; 496 0xxx in these British ones.
_AMERICAN = tuple(
    shape.replace("AAA", area)
    for area in _words("202 206 212 214 303 305 312 404 415 503 512 602 617 702 713 801 919 973")
    for shape in ("(AAA) 555-01##", "+1 AAA-555-01##", "AAA.555.01##", "1-AAA-555-01##")
)
_BRITISH = tuple(
    shape.replace("AAA", area)
    for area in _words("113 114 115 116 117 118 121 131 141 151 161")
    for shape in ("0AAA 496 0###", "+44 (0)AAA 496 0###", "020 7946 0###")
)

COUNTRIES = (
    Country(
        "US",
        "United States",
        ("United States", "USA", "US", "U.S.A.", "united states"),
        ("Austin", "Boston", "Denver", "Chicago", "Seattle", "Atlanta", "Portland"),
        _EN_FIRST,
        _EN_LAST,
        _AMERICAN,
        "en",
        34,
    ),
    Country(
        "GB",
        "United Kingdom",
        ("United Kingdom", "UK", "Great Britain", "England"),
        ("London", "Leeds", "Bristol", "Manchester", "Edinburgh"),
        _EN_FIRST,
        _EN_LAST,
        _BRITISH,
        "en",
        13,
    ),
    Country(
        "DE",
        "Germany",
        ("Germany", "Deutschland", "DE", "germany"),
        ("Berlin", "Hamburg", "München", "Köln", "Frankfurt am Main"),
        _words("Anneliese Bernd Clara Dietmar Elke Falk Greta Holger Jörg Käthe Lukas Änne"),
        _words("Ahrendt Brückner Dörfler Eichstädt Groß Hüttner Köhler Lüders Möbius Vöge"),
        ("030 23125 ###", "+49 30 23125###", "+49 (0)40 66969 ###", "0221 4710 ###"),
        "de",
        12,
    ),
    Country(
        "FR",
        "France",
        ("France", "FR", "france"),
        ("Paris", "Lyon", "Lille", "Nantes", "Toulouse"),
        _words("Amélie Benoît Chloé Étienne Fabienne Gaëlle Hervé Joël Maëlys Rémi"),
        _words("Arnoult Béraud Chevreuil D'Aubigny Fèvre Garçonnet L'Hermite Marchand"),
        ("01 99 00 ## ##", "+33 1 99 00 ## ##", "04 65 71 ## ##"),
        "fr",
        8,
    ),
    Country(
        "ES",
        "Spain",
        ("Spain", "España", "ES"),
        ("Madrid", "Barcelona", "Valencia", "Sevilla"),
        _words("Begoña Íñigo Leocadia Martín Nuria Óscar Pilar Ramón Sofía Ximo"),
        ("Arrizabalaga", "Buendía Rojas", "Castaño", "Fuenmayor", "Ibáñez Soler", "Muñiz"),
        (),
        "es",
        5,
    ),
    Country(
        "SE",
        "Sweden",
        ("Sweden", "Sverige", "SE"),
        ("Stockholm", "Malmö", "Göteborg", "Uppsala"),
        _words("Åsa Björn Disa Göran Hjördis Linnéa Märta Örjan Sixten Ylva"),
        _words("Ågren Björklind Dahlsjö Forsmark Häggvall Ljungstedt Sjöborg Öhrling"),
        ("08-465 004 ##", "+46 8 465 004 ##", "040-628 04 ##", "031-390 06 ##"),
        "en",
        4,
    ),
    Country(
        "AU",
        "Australia",
        ("Australia", "AU", "australia"),
        ("Sydney", "Melbourne", "Perth", "Brisbane"),
        _EN_FIRST,
        _EN_LAST,
        ("(02) 5550 ####", "+61 3 5550 ####", "0491 570 006"),
        "en",
        5,
    ),
    Country(
        "IN",
        "India",
        ("India", "IN", "Bharat"),
        ("Pune", "Bengaluru", "Chennai", "Hyderabad"),
        _words("Aarohi Bhavesh Charulata Devdutt Ishaan Kavitha Nandini Prakash Sunita"),
        _words("Acharya Balasubramanian Chaturvedi Gowda Kulkarni Raghunathan Sengupta"),
        (),
        "en",
        7,
    ),
    Country(
        "JP",
        "Japan",
        ("Japan", "日本", "JP"),
        ("Tokyo", "Osaka", "Fukuoka"),
        ("直樹", "美咲", "健太", "陽子", "大輔", "彩花"),
        ("北川原", "小鳥遊", "五十嵐", "長谷部", "月見里"),
        (),
        "en",
        3,
    ),
    Country(
        "AE",
        "United Arab Emirates",
        ("United Arab Emirates", "UAE", "الإمارات"),
        ("Dubai", "Abu Dhabi"),
        ("ليلى", "يوسف", "Mariam", "Hamdan", "نور"),
        ("المنصوري", "الكعبي", "Al Suwaidi", "بن راشد"),
        (),
        "en",
        3,
    ),
    Country(
        "PL",
        "Poland",
        ("Poland", "Polska", "PL"),
        ("Warszawa", "Kraków", "Wrocław"),
        _words("Agnieszka Bożena Grzegorz Łukasz Małgorzata Paweł Świętosława"),
        _words("Brzęczyk Dąbrowiecki Gołębiowska Szczęsny Wójtowicz Żółkoś"),
        (),
        "en",
        3,
    ),
    Country(
        "UA",
        "Ukraine",
        ("Ukraine", "Україна", "UA"),
        ("Kyiv", "Lviv"),
        ("Олена", "Тарас", "Надія", "Богдан", "Соломія"),
        ("Верховенко", "Гнатюченко", "Заболотна", "Ткаченюк"),
        (),
        "en",
        3,
    ),
)

#: Industry: how HubSpot and Salesforce spell it, what we sell there (0..1), and how common it is.
INDUSTRIES = (
    ("COMPUTER_SOFTWARE", "Technology", 1.0, 20),
    ("INFORMATION_TECHNOLOGY_AND_SERVICES", "Technology", 0.9, 14),
    ("INTERNET", "Technology", 0.9, 8),
    ("FINANCIAL_SERVICES", "Finance", 0.8, 10),
    ("MANAGEMENT_CONSULTING", "Consulting", 0.8, 8),
    ("MARKETING_AND_ADVERTISING", "Media", 0.6, 6),
    ("MACHINERY", "Manufacturing", 0.5, 8),
    ("LOGISTICS_AND_SUPPLY_CHAIN", "Shipping", 0.5, 6),
    ("HOSPITAL_HEALTH_CARE", "Healthcare", 0.4, 6),
    ("RETAIL", "Retail", 0.4, 6),
    ("CONSTRUCTION", "Construction", 0.3, 4),
    ("EDUCATION_MANAGEMENT", "Education", 0.1, 6),
    ("GOVERNMENT_ADMINISTRATION", "Government", 0.1, 4),
    ("NON_PROFIT_ORGANIZATION_MANAGEMENT", "Not For Profit", 0.1, 4),
)
COMPANY_HEADS = _words(
    "Alder Amberline Basalt Birchway Bluefen Brightmoor Calder Cinderhill Copperwick "
    "Corvane Dovetail Driftwood Eastmere Elmbrook Fennimore Fenstone-Vale Foxglove "
    "Glasswing Greywater Halcyon-Bay Harborline Hazelwick Ironbridge-Way Juniper-Row "
    "Kestrelgate Larkfield Limewood Marlowe-Finch Millrace Moorgate-Nine Northlake "
    "Oakhaven Opaline Pinecrest-Hall Quarrystone Redfern Riverstoke Saltmarsh "
    "Silverbirch Stonecroft Sunderly Tallowmere Thistledown Umberside Valewood "
    "Wavecrest Westerly-Point Willowherb Wrenfield Yarrowdale Zephyrine"
)
COMPANY_TAILS = _words(
    "Analytics Systems Logistics Robotics Health Capital Foods Energy Media Labs "
    "Software Partners Networks Materials Insurance Motors Studios Retail Biotech "
    "Consulting Security Payments"
)
COMPANY_FORMS = {
    "US": ("Inc.", "LLC", "Corp", ""),
    "GB": ("Ltd", "Ltd.", "PLC", ""),
    "DE": ("GmbH", "AG", "GmbH & Co. KG", ""),
    "FR": ("SAS", "SARL", "S.A.", ""),
    "ES": ("S.L.", "S.A.", ""),
    "SE": ("AB", ""),
    "AU": ("Pty Ltd", ""),
    "IN": ("Pvt. Ltd.", "Private Limited", ""),
    "JP": ("K.K.", "株式会社"),
    "PL": ("Sp. z o.o.", "S.A."),
}

#: Titles: as written, how senior (0..1), how close to the purchase (0..1), how common.
TITLES = (
    ("CEO", 1.0, 0.9, 5),
    ("Chief Revenue Officer", 1.0, 1.0, 3),
    ("Co-founder & CEO", 1.0, 0.9, 3),
    ("CTO", 0.95, 0.5, 3),
    ("Chief Marketing Officer", 1.0, 0.9, 3),
    ("VP Sales", 0.9, 1.0, 6),
    ("V.P. of Sales Operations", 0.9, 1.0, 3),
    ("Vice President, Marketing", 0.9, 0.9, 4),
    ("Head of Growth", 0.8, 0.95, 4),
    ("Head of Revenue Operations", 0.8, 1.0, 5),
    ("Director of Marketing", 0.75, 0.9, 5),
    ("Sales Director EMEA", 0.75, 1.0, 4),
    ("Dir. Business Development", 0.75, 0.9, 3),
    ("IT Director", 0.7, 0.4, 3),
    ("Vertriebsleiter", 0.75, 1.0, 3),
    ("Leiterin Marketing", 0.75, 0.9, 2),
    ("Directeur commercial", 0.75, 1.0, 2),
    ("Responsable marketing", 0.6, 0.8, 2),
    ("Director de Ventas", 0.75, 1.0, 2),
    ("Geschäftsführer", 1.0, 0.9, 3),
    ("Marketing Manager", 0.5, 0.8, 9),
    ("Sales Manager", 0.5, 0.9, 7),
    ("CRM Manager", 0.5, 1.0, 5),
    ("Marketing Ops Mgr", 0.5, 1.0, 4),
    ("Operations Manager", 0.5, 0.5, 4),
    ("Procurement Manager", 0.5, 0.3, 2),
    ("Senior Software Engineer", 0.3, 0.1, 4),
    ("Software Developer", 0.2, 0.1, 5),
    ("Data Analyst", 0.2, 0.3, 4),
    ("Account Executive", 0.25, 0.5, 5),
    ("SDR", 0.15, 0.4, 3),
    ("Marketing Specialist", 0.2, 0.5, 5),
    ("HR Business Partner", 0.3, 0.0, 3),
    ("Legal Counsel", 0.4, 0.0, 2),
    ("Recruiter", 0.2, 0.0, 2),
    ("Assistant", 0.1, 0.1, 3),
    ("Intern", 0.0, 0.0, 3),
    ("Student", 0.0, 0.0, 5),
    ("PhD candidate", 0.0, 0.0, 2),
    ("Freelancer", 0.2, 0.1, 3),
    ("営業部長", 0.75, 1.0, 1),
    ("Ninja / Rockstar", 0.1, 0.1, 1),
)

#: Where leads come from: HubSpot's word, Salesforce's word, interest they bring, how common.
SOURCES = (
    ("ORGANIC_SEARCH", "Web", 0.60, 22),
    ("DIRECT_TRAFFIC", "Web", 0.60, 12),
    ("PAID_SEARCH", "Advertisement", 0.55, 14),
    ("REFERRALS", "Partner Referral", 0.75, 9),
    ("SOCIAL_MEDIA", "Web", 0.35, 10),
    ("PAID_SOCIAL", "Advertisement", 0.30, 9),
    ("EMAIL_MARKETING", "Web", 0.45, 8),
    ("OTHER_CAMPAIGNS", "Trade Show", 0.45, 6),
    ("OFFLINE", "Purchased List", 0.10, 10),
)

#: Forms by name: their page, and whether they ask for a salesperson.
FORMS = (
    ("Request a demo", "/demo", True),
    ("Contact sales", "/contact", True),
    ("Start a free trial", "/trial", True),
    ("Pricing guide", "/pricing", True),
    ("Webinar registration", "/webinars/forecasting", False),
    ("Whitepaper download", "/resources/whitepaper", False),
    ("Newsletter", "/blog", False),
)
CAMPAIGNS = {  # Salesforce: name -> type
    "Website: request a demo": "Web",
    "Website: contact sales": "Web",
    "Website: free trial": "Web",
    "Website: pricing guide": "Web",
    "Webinar: forecasting that holds": "Webinar",
    "Whitepaper: the first five minutes": "Content",
    "Trade show: autumn expo": "Trade Show",
    "Purchased list: August": "List Purchase",
}
CAMPAIGN_OF_FORM = dict(
    zip(
        (name for name, _, _ in FORMS),
        (
            "Website: request a demo",
            "Website: contact sales",
            "Website: free trial",
            "Website: pricing guide",
            "Webinar: forecasting that holds",
            "Whitepaper: the first five minutes",
            "Whitepaper: the first five minutes",
        ),
        strict=True,
    )
)
SITE = "https://www.sandbox-vendor.example"
PAGES_OF_BUYERS = (
    "/pricing",
    "/pricing?plan=team",
    "/demo",
    "/product/forecasting",
    "/product/routing",
    "/customers/northlake",
    "/integrations/salesforce",
    "/integrations/hubspot",
    "/security",
    "/compare/spreadsheets",
    "/contact",
    "/trial",
)
PAGES_OF_READERS = (
    "/",
    "/",
    "/blog",
    "/blog/what-is-a-lead",
    "/blog/ten-mistakes",
    "/resources/whitepaper",
    "/about",
    "/webinars/forecasting",
    "/product/forecasting",
    "/features",
)
PAGES_OF_APPLICANTS = ("/careers", "/careers/engineer", "/jobs", "/about")

#: What people write, by what they want and their language.
MESSAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "buying": {
        "en": (
            "We are a team of {n} and would like a demo next week. Budget is approved.",
            "Could you send a quote for {n} seats? We want to switch from spreadsheets this month.",
            "Looking for pricing for {n} users. We need to decide this quarter.",
            "Please call me about the enterprise plan, we need to start as soon as possible.",
            "We are evaluating three vendors. Can we have a trial for {n} people in two weeks?",
            "Interested in how you integrate with our data warehouse. Who can show us a demo?",
            "I have budget for this year, {n} licences. Please send a contract and the security"
            " questionnaire.",
        ),
        "de": (
            "Wir suchen eine Lösung für {n} Mitarbeiter und bitten um ein Angebot noch in diesem"
            " Monat.",
            "Was kostet die Lizenz für {n} Nutzer? Bitte um Rückruf, es ist dringend.",
            "Können wir nächste Woche eine Vorführung bekommen? Budget ist freigegeben.",
        ),
        "fr": (
            "Bonjour, quel est le prix pour {n} utilisateurs ? Nous voulons démarrer ce trimestre.",
            "Pouvez-vous me rappeler pour une démonstration cette semaine ?",
        ),
        "es": (
            "¿Cuánto cuesta para {n} usuarios? Queremos una demostración esta semana.",
            "Estamos interesados en comprar licencias este trimestre, ¿pueden llamarme?",
        ),
    },
    "curious": {
        "en": (
            "Just looking around for now.",
            "Please send me the whitepaper.",
            "Maybe next year, we are at an early stage.",
            "Saw your talk, nice work.",
        ),
        "de": ("Vielleicht später, wir informieren uns nur.",),
        "fr": ("Pas urgent, je m'informe.",),
        "es": ("Sin prisa, solo estoy mirando.",),
    },
    "support": {
        "en": (
            "I cannot log in since yesterday, the reset password mail never arrives.",
            "Your export shows an error, please help with my account.",
        ),
        "de": ("Der Import funktioniert nicht, Fehlermeldung 42.",),
        "fr": ("L'export ne fonctionne plus, erreur au chargement.",),
        "es": ("No funciona la exportación, da un error.",),
    },
    "job": {
        "en": (
            "Are you hiring? My CV is attached.",
            "I would like to apply for the engineer position.",
        ),
        "de": ("Hiermit bewerbe ich mich, mein Lebenslauf liegt bei.",),
        "fr": ("Je vous envoie ma candidature et mon CV.",),
        "es": ("Busco trabajo, adjunto mi curriculum.",),
    },
    "vendor": {
        "en": (
            "We offer SEO services and can double your traffic.",
            "I came across your website and noticed a few things our agency can improve.",
        ),
        "de": ("Wir bieten Webdesign für Unternehmen wie Ihres.",),
        "fr": ("Notre agence propose des backlinks de qualité.",),
        "es": ("Ofrecemos desarrollo web a medida.",),
    },
}

#: What fields may hold: a NUL, a picture made of several, signs that show nothing or turn the text.
ODD_MESSAGE = (
    "Please call me\x00 back \U0001f469\U0001f3fd\u200d\U0001f4bb\u200b\ufeff \u202eKNAHT UOY"
)
#: Lead sources that Salesforce's list no longer has.
OLD_SOURCES = ("Import 2019", "LP-form v2", "web (old)", "🎯 Campaign")
FREE_MAIL = ("gmail.com", "googlemail.com", "yahoo.com")
FREE_MAIL_TYPOS = ("gmial.com", "gmal.com", "gmail.con", "yaho.com", "gnail.com")
DISPOSABLE = ("mailinator.com", "guerrillamail.com", "10minutemail.com")
BROKEN_PHONES = ("n/a", "12345", "call me", "000000000", "555-CALL-NOW", "+1", "tbd", "xxx")
#: The first four CRMs take as they are; they refuse the others, and the field stays empty.
BROKEN_EMAILS = (
    "{local}..x@{domain}",
    "{local}.@{domain}",
    "mailto:{local}@{domain}",
    "{local}@mail..{domain}",
    "{local}@{domain}.",
    "{local}@@{domain}",
    "{local}@",
    "{local}.{domain}",
    "none",
    "{local} at {domain}",
)
SUBJECTS = (
    "Following up on your request",
    "Three ideas for your team",
    "A short call this week?",
    "Your questions about pricing",
    "How teams like yours start",
)
SALESPEOPLE = (
    ("Avery", "Lindqvist"),
    ("Bruno", "Castellanos"),
    ("Carmen", "Whitfield"),
    ("Dmitri", "Holloway"),
    ("Esme", "Fairweather"),
    ("Farid", "Norling"),
)
