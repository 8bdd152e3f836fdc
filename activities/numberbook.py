"""From a reference to a phone number, at the last moment and in the worker only."""

from __future__ import annotations

from temporalio.exceptions import ApplicationError

from activities.api_messages import AttemptNumber, CampaignNumber, ContactNumber, Extension, Party
from campaigns.numbers import RejectedNumber, may_be_dialed, normalise
from store import directory, runs
from store.engine import Store


def dialable(text: str) -> str:
    """Read a ramal or a number that may be dialed, as written by people.

    `ValueError` says why not; never the number. Service codes of three digits are no ramais.
    """
    digits = text.strip()
    number = normalise(digits)
    if not isinstance(number, RejectedNumber):
        return number.e164
    if (
        number.reason != "emergency"
        and digits.isascii()
        and digits.isdigit()
        and len(digits) in {3, 4}
    ):
        return digits
    raise ValueError(number.message)


class NumberBook:
    """Looks numbers up in the store.

    A contact's number is given out only while it may be called: never one that must not be dialed,
    that is suppressed, or that a live attempt holds. Calling hours and caps belong to the lanes,
    which is where campaigns dial.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def to_call(self, party: Party) -> str:
        """Return a number that is about to be rung. A non-retryable failure where it may not be."""
        if isinstance(party, Extension | CampaignNumber):
            return _checked(await self.to_show(party))
        holder = await self._holder(party)
        if not may_be_dialed(holder.e164):
            raise _no("NumberNotAllowed", "this number must never be dialed")
        if holder.suppressed:
            raise _no("NumberNotAllowed", "this number is suppressed")
        if holder.live:
            raise _no("NumberBusy", "a live attempt holds this number")
        return holder.e164

    async def to_show(self, party: Party) -> str:
        """Return a number to show or to look for, which rings nobody."""
        if isinstance(party, Extension):
            return party.ramal
        if isinstance(party, CampaignNumber):
            return await self._of_campaign(party)
        return (await self._holder(party)).e164

    async def _holder(self, party: ContactNumber | AttemptNumber) -> directory.Holder:
        if isinstance(party, AttemptNumber):
            found = await directory.of_attempt(self._store, party.key)
        else:
            found = await directory.of_contact(
                self._store, party.run, party.contact, party.position
            )
        if found is None:
            raise _no("NumberUnknown", "there is no such contact or attempt")
        return found

    async def _of_campaign(self, party: CampaignNumber) -> str:
        try:
            campaign, _ = await runs.get_definition(self._store, party.run)
        except runs.RunError as error:
            raise _no("NumberUnknown", str(error)) from None
        number: str | None = getattr(campaign.call, party.field)
        if number is None:
            raise _no("NumberUnknown", f"the campaign has no {party.field}")
        return number


def _checked(text: str) -> str:
    try:
        return dialable(text)
    except ValueError as error:
        raise _no("NumberNotAllowed", str(error)) from None


def _no(kind: str, message: str) -> ApplicationError:
    return ApplicationError(message, type=kind, non_retryable=True)
