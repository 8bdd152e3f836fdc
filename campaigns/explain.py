"""Whether a number may be called at an instant, until when, else from when, and by which rules.

`evaluate` is the one decision function of plan, explain, reserve and place. It looks at facts and
at an instant, never at a clock, a store or the network, and the same data versions give the same
answer. `HoursOracle` is the same function for one campaign, made for thousands of questions.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from functools import cached_property, lru_cache, partial
from typing import Final, NamedTuple

from campaigns import areas, reasons
from campaigns.calendar import AddedHoliday, Calendar, DataVersions, HolidayKind
from campaigns.clocks import Clocks, to_instant, to_microseconds, zone_data_version
from campaigns.opening import CallingHours
from campaigns.packs import AttemptLimits, NumberKind, Packs, Rule, shipped_packs
from campaigns.timeline import HoursRule, Shut, Stretch, Timeline
from campaigns.verdict import OWN_HOURS, CallFacts, Reason, Terms, Unmet, Verdict

__all__ = ["CallFacts", "HoursOracle", "Reason", "Terms", "Unmet", "Verdict", "evaluate"]


class _Place(NamedTuple):
    ufs: tuple[str, ...]
    zones: tuple[str, ...]
    kind: NumberKind


class HoursOracle:
    """Answers for one campaign's terms and one set of data; made once, asked often.

    An answer that was given before, for the same place and stretch of time, costs a look-up.
    Threads may share an oracle. Neither making it nor importing it loads the `holidays` package.
    """

    def __init__(
        self,
        terms: Terms,
        *,
        packs: Packs | None = None,
        calendar: Calendar | None = None,
        clocks: Clocks | None = None,
    ) -> None:
        self.terms = terms
        self.packs = shipped_packs() if packs is None else packs
        self._calendar = calendar or _calendar(self.packs.holidays())
        self._clocks = _CLOCKS if clocks is None else clocks
        self._overrides = {override.rule: override.reason for override in terms.overrides}
        period = terms.period
        self._begins = None if period.starts_at is None else to_microseconds(period.starts_at)
        self._ends = None if period.ends_at is None else to_microseconds(period.ends_at)
        self._by_code: dict[tuple[str, NumberKind], Timeline[Verdict]] = {}
        self._by_place: dict[_Place, Timeline[Verdict]] = {}

    @cached_property
    def versions(self) -> DataVersions:
        """The data that the answers rest on."""
        return DataVersions(
            tzdata=zone_data_version(),
            holidays=self._calendar.version,
            packs=self.packs.digest,
        )

    def evaluate(
        self,
        ddd: str,
        at: datetime,
        kind: NumberKind = "movel",
        *,
        ufs: tuple[str, ...] = (),
        zones: tuple[str, ...] = (),
    ) -> Verdict:
        """Judge a call to an area code at an instant with an offset.

        `ufs` and `zones` replace those of the area code where the contact's own are known.
        ValueError for an area code that is not in use, an unknown zone, or local time alone.
        """
        return self._timeline(ddd, kind, ufs, zones).at(to_microseconds(at))

    def at_seconds(self, ddd: str, seconds: float, kind: NumberKind = "movel") -> Verdict:
        """Judge a call at an instant in seconds since 1970; the short way for a store's clock."""
        timeline = self._by_code.get((ddd, kind)) or self._timeline(ddd, kind, (), ())
        return timeline.at(round(seconds * 1_000_000))

    def limits(self, ddd: str, day: date) -> AttemptLimits:
        """Give the caps on attempts at one number: as written, else polite; packs narrow them."""
        written = self.terms.limits
        if self.terms.hours == "always":
            return written
        place = self._place(ddd, "movel", (), ())
        limits = AttemptLimits()
        for rule in self._applied(self.packs.rules("unwritten"), place):
            if rule.limit is not None and rule.in_force(day):
                limits = limits.tightened(rule.limit)
        limits = limits.model_copy(update={k: v for k, v in written if v is not None})
        for rule in self._applied(self.packs.rules(), place):
            if rule.limit is not None and rule.in_force(day) and rule.id not in self._overrides:
                limits = limits.tightened(rule.limit)
        return limits

    def unmet(self, ddds: Iterable[str], day: date) -> tuple[Unmet, ...]:
        """Give what stands against starting a campaign that calls these area codes.

        A list that nobody has looked for counts as missing.
        """
        found: dict[str, tuple[Reason, list[str]]] = {}
        for ddd in sorted(set(ddds)):
            for reason in self._standing(self._place(ddd, "movel", (), ()), day):
                if reason.effect == "require" and not reason.met:
                    found.setdefault(reason.rule, (reason, []))[1].append(ddd)
        return tuple(Unmet(reason=reason, ddds=tuple(codes)) for reason, codes in found.values())

    def _place(
        self, ddd: str, kind: NumberKind, ufs: tuple[str, ...], zones: tuple[str, ...]
    ) -> _Place:
        if not areas.is_area_code(ddd):
            raise ValueError(f"{ddd} is not an area code in use")
        return _Place(ufs or areas.ufs(ddd), zones or areas.zones(ddd), kind)

    def _timeline(
        self, ddd: str, kind: NumberKind, ufs: tuple[str, ...], zones: tuple[str, ...]
    ) -> Timeline[Verdict]:
        known = None if ufs or zones else self._by_code.get((ddd, kind))
        if known is not None:
            return known
        place = self._place(ddd, kind, ufs, zones)
        timeline = self._by_place.get(place)
        if timeline is None:
            rules = self._hours_rules(place)
            for zone in (*place.zones, *(zone for rule in rules for zone in rule.zones)):
                self._clocks.zone(zone)
            timeline = Timeline(
                rules,
                self._clocks,
                place.zones,
                self.terms.margin,
                partial(self._verdict, place),
                begins=self._begins,
                ends=self._ends,
            )
            self._by_place[place] = timeline
        if not (ufs or zones):
            self._by_code[ddd, kind] = timeline
        return timeline

    # -- which rules hold ----------------------------------------------------------------------

    def _applied(self, rules: Iterable[Rule], place: _Place) -> list[Rule]:
        """Give the rules that are about such a call, whatever the day."""
        return [rule for rule in rules if self._matches(rule, place) and self._knows(rule)]

    def _matches(self, rule: Rule, place: _Place) -> bool:
        when, terms = rule.when, self.terms
        return (
            (not when.uf or bool(set(when.uf) & set(place.ufs)))
            and (not when.purpose or terms.purpose in when.purpose)
            and (not when.automation or terms.automation in when.automation)
            and (not when.kind or place.kind in when.kind)
            and (not when.sector or terms.sector is None or terms.sector in when.sector)
        )

    def _knows(self, rule: Rule) -> bool:
        return not rule.when.sector or self.terms.sector is not None

    def _own_hours(self) -> CallingHours | None:
        return self.terms.hours if isinstance(self.terms.hours, CallingHours) else None

    def _hours_rules(self, place: _Place) -> list[HoursRule]:
        if self.terms.hours == "always":
            return []
        rules = []
        own = self._own_hours()
        if own is not None:
            optional = own.optional_holidays or (
                "closed" if self.terms.purpose == "sales" else "open"
            )
            kinds: list[HolidayKind] = ["national", "state"] if own.holidays == "closed" else []
            kinds += ["optional"] if optional == "closed" else []
            zones = place.zones if own.timezone == "contact" else (own.timezone,)
            closed = partial(self._closing, tuple(kinds), place.ufs, frozenset(own.extra_dates))
            rules.append(HoursRule(OWN_HOURS, zones, own, closed))
        else:
            polite = self._applied(self.packs.rules("unwritten"), place)
            rules += [self._compiled(rule, place) for rule in polite if rule.allow is not None]
            if not rules:
                raise ValueError(f"no default hours are known for {self.terms.purpose} calls")
        rules += [
            self._compiled(rule, place)
            for rule in self._applied(self.packs.rules(), place)
            if rule.effect in {"hours", "deny"} and rule.id not in self._overrides
        ]
        return rules

    def _compiled(self, rule: Rule, place: _Place) -> HoursRule:
        closed = partial(self._closing, rule.holidays, place.ufs, frozenset[date]())
        return HoursRule(
            rule.id, place.zones, rule.allow, closed, rule.valid_from, rule.valid_until
        )

    def _closing(
        self,
        kinds: tuple[HolidayKind, ...],
        ufs: tuple[str, ...],
        extra: frozenset[date],
        day: date,
    ) -> str | None:
        for kind in kinds:
            name = self._calendar.holiday(day, kind, ufs)
            if name is not None:
                return name
        return "a date that the campaign excludes" if day in extra else None

    # -- words ---------------------------------------------------------------------------------

    def _verdict(self, place: _Place, stretch: Stretch) -> Verdict:
        zone = place.zones[0]
        edge = self._edge(stretch, zone)
        if self.terms.hours == "always":
            own = [] if edge else reasons.own_period(self.terms, zone)
            chain: tuple[Reason, ...] = (*edge, *own, reasons.NO_LIMIT)
        else:
            day = self._clocks.part_at(zone, stretch.start).day
            blocking = [self._blocking(shut) for shut in stretch.closed]
            blocking.sort(key=lambda reason: reason.effect != "deny")
            if not (stretch.open or blocking or stretch.edge in {"start", "over"}):
                blocking.append(reasons.too_late(self.terms.margin))
                blocking += [self._blocking(shut) for shut in stretch.shutting]
            blocking = [*edge, *blocking]
            blocked = {reason.rule for reason in blocking}
            standing = (r for r in self._standing(place, day) if r.rule not in blocked)
            chain = (*blocking, *standing)
        return Verdict(
            callable=stretch.open,
            callable_until=None if stretch.last is None else to_instant(stretch.last),
            next=None if stretch.next is None else to_instant(stretch.next),
            reasons=chain,
            versions=self.versions,
        )

    def _edge(self, stretch: Stretch, zone: str) -> list[Reason]:
        """Say which edge of the campaign's own period forbids a call, if one does."""
        starts_at, ends_at = self.terms.period.starts_at, self.terms.period.ends_at
        if stretch.edge == "start" and starts_at is not None:
            return [reasons.not_yet(starts_at, zone)]
        if stretch.edge == "over" and ends_at is not None:
            return [reasons.over(ends_at, zone)]
        if stretch.edge == "end" and ends_at is not None:
            return [reasons.ends_first(ends_at, zone)]
        return []

    def _blocking(self, shut: Shut) -> Reason:
        return reasons.blocking(self._rules_by_id.get(shut[0].id), shut)

    def _standing(self, place: _Place, day: date) -> list[Reason]:
        """Give the links of the chain that do not block on this local day."""
        if self.terms.hours == "always":
            return []
        own = self._own_hours()
        chain = reasons.own_period(self.terms, place.zones[0])
        chain += [] if own is None else [reasons.own_hours(own)]
        chain += [
            reasons.link(rule, day, self.terms)
            for rule in self.packs.rules("unwritten")
            if self._matches(rule, place) and (rule.allow is None or own is None)
        ]
        chain += [
            reasons.link(rule, day, self.terms, self._overrides.get(rule.id))
            for rule in self.packs.rules()
            if self._matches(rule, place)
        ]
        return chain

    @cached_property
    def _rules_by_id(self) -> dict[str, Rule]:
        rules = (*self.packs.rules("unwritten"), *self.packs.rules())
        return {rule.id: rule for rule in rules}


def evaluate(facts: CallFacts, at: datetime) -> Verdict:
    """Judge one call at an instant with an offset. ValueError as `HoursOracle.evaluate`."""
    oracle = _oracle(facts.terms)
    return oracle.evaluate(facts.ddd, at, facts.kind, ufs=facts.ufs, zones=facts.zones)


@lru_cache(maxsize=4)
def _calendar(added: tuple[AddedHoliday, ...]) -> Calendar:
    return Calendar(added)


@lru_cache(maxsize=32)
def _oracle(terms: Terms) -> HoursOracle:
    return HoursOracle(terms)


_CLOCKS: Final = Clocks()
