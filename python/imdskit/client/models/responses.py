"""Models of the responses of all other endpoints: versions, attested documents, tokens, scheduled
events and load balancers.

Source: the section about each endpoint in the IMDS documentation; recorded responses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from imdskit.client.models.instance import Plan
from imdskit.client.models.reader import Model, Spelling


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiVersions(Model):
    """Response of ``/metadata/versions``: api-versions in ascending order."""

    api_versions: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedDocument(Model):
    """Response of ``/metadata/attested/document``.

    ``signature`` is a CMS SignedData in DER, encoded in base64.

    The model does not verify the signature; :class:`imdskit.verify.Verifier` does.
    """

    encoding: str | None = None
    signature: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStamp(Model):
    """Times of an attested document, as ``MM/DD/YY HH:MM:SS -0000`` in UTC."""

    created_on: str | None = None
    expires_on: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedContent(Model):
    """Signed content of an attested document.

    ``subscription_id`` exists from 2019-04-30, ``sku`` from 2019-11-01, ``license_type`` from
    2020-09-01."""

    license_type: str | None = None
    nonce: str | None = None
    plan: Plan | None = None
    sku: str | None = None
    subscription_id: str | None = None
    time_stamp: TimeStamp | None = None
    vm_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Model):
    """Response of ``/metadata/identity/oauth2/token``.

    All times are decimal text. ``expires_in`` and ``ext_expires_in`` are numbers of remaining
    seconds, and the other times are Unix seconds. ``repr`` does not show the secret token, but the
    result of :meth:`to_json` contains it."""

    SPELLING: ClassVar[Spelling] = "snake_case"

    access_token: str | None = None
    client_id: str | None = None
    expires_in: str | None = None
    expires_on: str | None = None
    ext_expires_in: str | None = None
    msi_res_id: str | None = None
    not_before: str | None = None
    object_id: str | None = None
    refresh_token: str | None = None
    resource: str | None = None
    token_type: str | None = None

    def __repr__(self) -> str:
        return f"Token(resource={self.resource!r}, client_id={self.client_id!r}, expires_on={self.expires_on!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledEvent(Model):
    """Scheduled event.

    ``description`` exists from 2019-04-01, ``event_source`` from 2019-08-01, and
    ``duration_in_seconds`` from 2020-07-01. A duration of -1 means that it is unknown, and 0 means
    that there is no interruption. ``not_before`` is ``""`` for an event that has started."""

    SPELLING: ClassVar[Spelling] = "PascalCase"

    event_id: str | None = None
    event_status: str | None = None
    event_type: str | None = None
    resource_type: str | None = None
    resources: tuple[str, ...] | None = None
    not_before: str | None = None
    description: str | None = None
    event_source: str | None = None
    duration_in_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledEvents(Model):
    """Response of ``/metadata/scheduledevents``.

    The service increases ``document_incarnation`` whenever the list of events changes.
    """

    SPELLING: ClassVar[Spelling] = "PascalCase"

    document_incarnation: int | None = None
    events: tuple[ScheduledEvent, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontendAddress(Model):
    """Public address of a load balancer, and the private address of the machine behind it."""

    frontend_ip_address: str | None = None
    private_ip_address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundRule(Model):
    """Inbound rule of a load balancer."""

    frontend_ip_address: str | None = None
    protocol: str | None = None
    frontend_port: int | None = None
    backend_port: int | None = None
    private_ip_address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer(Model):
    """Load balancers of the machine."""

    public_ip_addresses: tuple[FrontendAddress, ...] | None = None
    inbound_rules: tuple[InboundRule, ...] | None = None
    outbound_rules: tuple[FrontendAddress, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancerResponse(Model):
    """Response of ``/metadata/loadbalancer``, which exists from 2020-10-01."""

    loadbalancer: LoadBalancer | None = None
