"""What each key of a campaign file means, in a sentence or two, by its path.

Shown by editors through the JSON Schema, and in the table of keys of the documentation. A test
holds that every key of the models is here and nothing else.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_PER_DAY = "Calls within one day of the contact's calendar, at most."
_ROLLING = "Calls within any 24 hours, at most."
_PER_WEEK = "Calls within one week of the contact's calendar, Monday to Sunday, at most."
_PER_MONTH = "Calls within one month of the contact's calendar, at most."
_MIN_GAP = "The least time between two calls."
_DAY = "Hours of this day: `09:00-20:00`, a list of such windows, or `closed`."

DESCRIPTIONS: Final = MappingProxyType(
    {
        "campaign": "The name of the campaign. Two runs of one name never dial at the same time.",
        "purpose": "Why people are called. The law differs by it.",
        "automation": "Who speaks to the contact. Some states ban sales calls by machines.",
        "sector": (
            "Your own trade. Telecom carriers have hours, caps and a registry of their own, banks"
            " the registry; `other` is neither. Absent, such rules are shown and not applied."
        ),
        "dial_list": "Where the contacts come from.",
        "dial_list.file": (
            "The list, relative to this file: CSV or TSV (separator and encoding are found), XLSX,"
            " XLS or ODS. Either this or `contacts`."
        ),
        "dial_list.sheet": "The sheet of a workbook; absent, the first that is not hidden.",
        "dial_list.contacts": (
            "The contacts themselves, each with its columns, in place of a file. For a few only."
        ),
        "dial_list.id": "The column that identifies a contact; absent, the line is its id.",
        "dial_list.numbers": "The columns with phone numbers, in the order of trying them.",
        "dial_list.default_ddd": "The area code of numbers that were written without one.",
        "dial_list.ninth_digit": (
            "What becomes of a mobile from before the ninth digit: it is added and noted, or the"
            " number is rejected."
        ),
        "dial_list.duplicates": "What becomes of rows that an earlier row repeats.",
        "dial_list.duplicates.id": (
            "The same id: `reject` the later row, or `join` its numbers to the earlier contact."
        ),
        "dial_list.duplicates.number": (
            "The same number: `reject` it in the later row, or `join` the two rows."
        ),
        "call": "How each call is made.",
        "call.contact_leg": (
            "The leg that is the contact. `origem` rings first; `connect_to` is the other leg."
        ),
        "call.connect_to": (
            "Who answers for you: a ramal of 3 or 4 digits, or a phone number. In quotes."
        ),
        "call.bina_origem": "The number shown to leg `origem`; one contracted with the provider.",
        "call.bina_destino": "The number shown to leg `destino`; one contracted with the provider.",
        "call.gravar_audio": "Whether calls are recorded. People must be told so.",
        "call.detecta_caixa_origem": (
            "Whether the provider hangs up on voicemail. It listens to leg `origem` only, and each"
            " such call counts as a short one."
        ),
        "call.tags": (
            "Your own text on each call, after the attempt's key. `{column}` stands for a column of"
            " the list."
        ),
        "call.max_ring": "Hang up when nobody has answered for so long. Absent: never.",
        "call.max_duration": (
            "Hang up when a call has lasted so long; also the margin by which calls end before the"
            " hours do (5 minutes where absent)."
        ),
        "pacing": "How fast and how wide the campaign dials, at most.",
        "pacing.channels": "Calls alive at the same time.",
        "pacing.calls_per_second": "Calls begun per second.",
        "pacing.priority": "Which campaign goes first where the account's channels and calls per "
        "second are shared: each step weighs twice the next, 1 the most. What one does not want is "
        "lent to the others.",
        "pacing.lanes": "Dialing loops that share the contacts, on as many workers as there are. "
        "Set when the run starts.",
        "calling_hours": (
            "When contacts may be called. Absent: the polite default. `always` only with a local"
            " API."
        ),
        "calling_hours.mon": _DAY,
        "calling_hours.tue": _DAY,
        "calling_hours.wed": _DAY,
        "calling_hours.thu": _DAY,
        "calling_hours.fri": _DAY,
        "calling_hours.sat": _DAY,
        "calling_hours.sun": _DAY,
        "calling_hours.timezone": (
            "Whose clock: `contact` (all zones of the number's area code) or one zone such as"
            " America/Sao_Paulo."
        ),
        "calling_hours.holidays": "National and state holidays.",
        "calling_hours.optional_holidays": (
            "Days such as Carnival and Corpus Christi. Absent: closed for sales only."
        ),
        "calling_hours.extra_dates": "Further days on which nobody is called.",
        "limits": "The outer fence: no retry rule dials beyond it.",
        "limits.per_contact": "For one person, over all of their numbers.",
        "limits.per_contact.total": "Calls that the provider accepted, at most.",
        "limits.per_contact.per_day": _PER_DAY,
        "limits.per_contact.rolling_24h": _ROLLING,
        "limits.per_contact.per_week": _PER_WEEK,
        "limits.per_contact.per_month": _PER_MONTH,
        "limits.per_contact.min_gap": _MIN_GAP,
        "limits.per_number": "For one number, over all campaigns of the account.",
        "limits.per_number.total": "Calls that the provider accepted, at most.",
        "limits.per_number.per_day": _PER_DAY,
        "limits.per_number.rolling_24h": _ROLLING,
        "limits.per_number.per_week": _PER_WEEK,
        "limits.per_number.per_month": _PER_MONTH,
        "limits.per_number.min_gap": _MIN_GAP,
        "guards": (
            "When the run pauses by itself. `discador status` shows the state of each and why."
        ),
        "guards.budget": (
            "What the run may spend. Calls are held back so that even the worst case of all live"
            " ones stays within it; when no further call fits, the run pauses. Needs"
            " `call.max_duration`."
        ),
        "guards.budget.total_brl": "Reais for the whole run.",
        "guards.budget.price": "What calls cost by your contract.",
        "guards.budget.price.movel": "Reais a minute of a leg to a mobile.",
        "guards.budget.price.fixo": "Reais a minute of a leg to a landline.",
        "guards.budget.price.ramal": "Reais a minute of a leg to a ramal.",
        "guards.budget.price.detection": (
            "Reais for one detection of voicemail; needed with `call.detecta_caixa_origem`."
        ),
        "guards.budget.price.minimum": "What a leg is billed for at least.",
        "guards.budget.price.step": "The steps in which a leg is billed beyond the minimum.",
        "guards.no_balance": "After the API has said that the account has no balance (402).",
        "guards.no_balance.resume_after": "Go on after so long; absent, by hand.",
        "guards.failures": (
            "Pauses when too many attempts fail for technical reasons: refused, never sent, never"
            " run, congested, or without an answer. Absent: not watched."
        ),
        "guards.failures.share": "The share of the last attempts that pauses the run.",
        "guards.failures.window": "How many attempts are looked at; fewer say nothing.",
        "guards.failures.resume_after": (
            "Go on after so long, with an empty window; absent, by hand."
        ),
        "guards.short_calls": (
            "Short calls (not completed, voicemail, or over within 6 s) of the caller ID that"
            " contacts see, by day, over all campaigns. Absent: these defaults with the real API,"
            " not watched with a local one."
        ),
        "guards.short_calls.warn": "The share that shows a warning in `discador status`.",
        "guards.short_calls.pause": (
            "The share that pauses the run until midnight in Brasília. Resumed by hand it goes on,"
            " but never beyond 85 % of 90,000 calls: from 100,000 the law blocks the line."
        ),
        "guards.short_calls.after": "Calls of a day before which neither happens.",
        "reconcile": "What is done about a call whose answer was lost: it may have rung.",
        "reconcile.quiet": "How long the provider's report must show nothing of it.",
        "reconcile.then": (
            "Once it is clear that it was never placed: dial again (`requeue`), or `park` the"
            " contact for a person."
        ),
        "retry": "What follows a call. The first rule that matches acts; without one it is final.",
        "retry.leg": "The leg that failed: the `contact`, or the `other`.",
        "retry.status": "Statuses with which that leg ended.",
        "retry.reasons": (
            "Disconnect reasons of that leg: codes, or classes of them (busy, no_answer,"
            " unreachable, rejected, technical, number_suspect)."
        ),
        "retry.outcome": "Outcomes of the whole call that no leg tells.",
        "retry.after": (
            "Dial the same number again after this time. A list grows: the last one repeats."
        ),
        "retry.times": "How often this rule may act for one number; then the next rule is asked.",
        "retry.other_daypart": "Dial again in another part of the day than the last call.",
        "retry.then": (
            "Instead of dialing again: go to the contact's next number, stop, or suppress the"
            " number as well."
        ),
        "schedule": "When the campaign may call at all, and when it starts by itself.",
        "schedule.start_at": "No attempt starts before this time.",
        "schedule.end_at": (
            "No attempt, retry included, starts after this time; who is still due ends as"
            " `expired`."
        ),
        "schedule.repeat": (
            "A cron line of five fields (minute, hour, day, month, weekday), for `discador schedule"
            " create`: each time the list is read anew and a new run starts."
        ),
        "schedule.timezone": "The zone in which these times are meant, unless they have an offset.",
        "suppression": "Lists of numbers not to call, beside those of the account.",
        "suppression.files": (
            "CSV or XLSX files with a column `number`, read when the campaign starts and for this"
            " campaign alone."
        ),
        "suppression.max_age": (
            "How long ago a registry that the rules require may have been imported when the"
            " campaign starts."
        ),
        "overrides": "Rules of the rule packs that this campaign sets aside.",
        "overrides.rule": "The id of the rule.",
        "overrides.reason": "Why, in words that an auditor can read. It is stored.",
    }
)
