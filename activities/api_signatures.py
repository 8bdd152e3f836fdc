"""Names and types of the activities that ask the Voice API, for workflows; bodies are elsewhere.

`create_call`, `listen_in`, `transfer` and `add_to_conference` ring phones: call them with
`RetryPolicy(maximum_attempts=1)`, and treat a failure of type `Unsure`, or a timeout, as something
that may have happened.
"""

from __future__ import annotations

from temporalio import activity

from activities.api_messages import (
    AddToConferenceInput,
    CallInput,
    CallReportInput,
    CallReportPage,
    CallView,
    ConferenceCallsPage,
    ConferenceInput,
    ConferenceReportPage,
    ConferenceView,
    CreateCallInput,
    Created,
    Done,
    ListenInInput,
    PeriodInput,
    RateCallInput,
    RecordingKept,
    TransferInput,
    WebphoneHanded,
    WebphoneInput,
)


@activity.defn
async def create_call(request: CreateCallInput) -> Created:
    """See `activities.chamadas`."""
    raise AssertionError(request)


@activity.defn
async def fetch_call(request: CallInput) -> CallView:
    """See `activities.chamadas`."""
    raise AssertionError(request)


@activity.defn
async def hang_up(request: CallInput) -> Done:
    """See `activities.chamadas`."""
    raise AssertionError(request)


@activity.defn
async def call_recording(request: CallInput) -> RecordingKept:
    """See `activities.chamadas`."""
    raise AssertionError(request)


@activity.defn
async def call_report(request: CallReportInput) -> CallReportPage:
    """See `activities.chamadas`."""
    raise AssertionError(request)


@activity.defn
async def listen_in(request: ListenInInput) -> Done:
    """See `activities.chamadas`."""
    raise AssertionError(request)


@activity.defn
async def transfer(request: TransferInput) -> Done:
    """See `activities.chamadas`."""
    raise AssertionError(request)


@activity.defn
async def rate_call(request: RateCallInput) -> Done:
    """See `activities.chamadas`."""
    raise AssertionError(request)


@activity.defn
async def create_conference() -> Created:
    """See `activities.conferencias`."""
    raise AssertionError


@activity.defn
async def add_to_conference(request: AddToConferenceInput) -> Created:
    """See `activities.conferencias`."""
    raise AssertionError(request)


@activity.defn
async def fetch_conference(request: ConferenceInput) -> ConferenceView:
    """See `activities.conferencias`."""
    raise AssertionError(request)


@activity.defn
async def end_conference(request: ConferenceInput) -> Done:
    """See `activities.conferencias`."""
    raise AssertionError(request)


@activity.defn
async def conference_report(request: PeriodInput) -> ConferenceReportPage:
    """See `activities.conferencias`."""
    raise AssertionError(request)


@activity.defn
async def conference_calls_report(request: PeriodInput) -> ConferenceCallsPage:
    """See `activities.conferencias`."""
    raise AssertionError(request)


@activity.defn
async def webphone_url(request: WebphoneInput) -> WebphoneHanded:
    """See `activities.webphone`."""
    raise AssertionError(request)
