"""The words of a rule document, in the order in which they are written.

Read by the parser, by the formatter and by the published JSON Schema.
"""

from __future__ import annotations

#: The version of the language that this program reads; a document may name it.
LANGUAGE_VERSION = 1

DOCUMENT_KEYS = (
    "version",
    "name",
    "fields",
    "bands",
    "suppress",
    "disqualify",
    "dimensions",
    "next_steps",
)
BAND_KEYS = ("label", "from", "leave_at", "dwell_days", "capacity")
CAPACITY_KEYS = ("per_week", "per")
#: Whose capacity it is, if not that of all together.
SHARES = ("owner",)
SUPPRESSION_KEYS = ("id", "when", "reason")
DISQUALIFIER_KEYS = ("id", "when", "at_most", "reason")
NEXT_STEP_KEYS = ("band", "when", "text")
DIMENSION_KEYS = ("min", "max", "groups")
GROUP_KEYS = ("id", "label", "min", "max", "rules")
RULE_KEYS = (
    "id",
    "label",
    "when",
    "by",
    "per",
    "unit",
    "each",
    "occurrence",
    "points",
    "otherwise",
    "frequency",
    "cap",
    "time_frame",
    "decay",
    "missing",
)
DECAY_KEYS = ("half_life_days", "percent", "every_days")
#: Keys of a rule that mean nothing without one of others, and why.
NEEDS: dict[str, tuple[tuple[str, ...], str]] = {
    **dict.fromkeys(
        ("occurrence", "frequency", "time_frame", "decay"), (("each",), ": it counts engagements")
    ),
    "cap": (("each", "per"), ": it limits what adds up"),
    "unit": (("per",), ""),
    "otherwise": (("by",), ""),
}
COUNT_KEYS = ("at_least", "at_most", "between", "exactly")
ENGAGEMENT_KEYS = ("count", "within_days", "occurrence")  # beside those of the pattern
SILENCE_KEYS = ("days", "kind")
OCCURRENCES = ("first", "last")
#: Words of a condition; a fact of that name is written `{fact: NAME, …}`.
RESERVED = ("all", "any", "not", "engagement", "silence", "fact")
#: What a field of the customer's own can be; a choice is a text whose values nobody fixed.
FIELD_TYPES = ("text", "number", "flag", "list", "date")

# -- limits ----------------------------------------------------------------------------------------

MAX_RULES = 2_000
MAX_FIELDS = 1_000
MAX_POINTS = 100  # of one rule
MAX_LIMIT = 1_000  # of a group or dimension
MAX_NUMBER = 1e15
MAX_DAYS = 36_500
MAX_DWELL_DAYS = 365
MAX_CAPACITY = 1_000_000
MAX_FREQUENCY = 10_000
MAX_COUNT = 1_000_000
MAX_NAME = 100
MAX_LABEL = 120
MAX_GROUP_LABEL = 80
MAX_BAND_LABEL = 40
MAX_REASON = 120
MAX_NEXT_STEP = 200
ID = r"[a-z][a-z0-9_]{0,59}"
BAND_KEY = r"[a-z][a-z0-9_]{0,29}"
STEP = r"from +(-?[0-9]{1,15}(?:\.[0-9]{1,6})?)"
