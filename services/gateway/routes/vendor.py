"""The vendor's administration."""

from services.gateway.forwarding import Route
from shared.schemas import contracts, identity
from shared.schemas.base import ListAnswer, ListQuery

VENDOR = (
    Route(
        method="GET",
        path="/vendor/companies",
        service="identity",
        summary="Every company",
        query=ListQuery,
        answer=ListAnswer[identity.CompanyAnswer],
    ),
    Route(
        method="POST",
        path="/vendor/companies",
        service="identity",
        summary="Create a company",
        status=201,
        body=identity.NewCompany,
        answer=identity.CompanyAnswer,
    ),
    Route(
        method="GET",
        path="/vendor/companies/{id}",
        service="identity",
        summary="One company",
        answer=identity.CompanyAnswer,
    ),
    Route(
        method="POST",
        path="/vendor/companies/{id}/invitations",
        service="identity",
        summary="Invite a company's first administrators",
        status=201,
        body=identity.NewInvitations,
        answer=identity.InvitationsAnswer,
    ),
    Route(
        method="GET",
        path="/vendor/companies/{id}/pins",
        service="identity",
        summary="A company's PINs, with their handling instructions",
        answer=identity.AssignedPins,
    ),
    Route(
        method="PUT",
        path="/vendor/companies/{id}/pins",
        service="identity",
        summary="Assign a company's PINs: the whole list",
        body=identity.PinsBody,
        answer=identity.AssignedPins,
        if_match=True,
    ),
    Route(
        method="POST",
        path="/vendor/products",
        service="contracts",
        summary="Add a product to the catalogue",
        status=201,
        body=contracts.NewProduct,
        answer=contracts.ProductAnswer,
    ),
    Route(
        method="POST",
        path="/vendor/devices",
        service="contracts",
        summary="Add a device, with or without its owner",
        status=201,
        body=contracts.NewDevice,
        answer=contracts.DeviceAnswer,
    ),
    Route(
        method="POST",
        path="/vendor/agreements",
        service="contracts",
        summary="Load an agreement",
        status=201,
        body=contracts.NewAgreement,
        answer=contracts.AgreementAnswer,
    ),
    Route(
        method="DELETE",
        path="/vendor/bouncing-addresses/{email}",
        service="notifications",
        summary="Send mail to an address again that a mail server has refused for good",
        status=204,
    ),
)
