"""Who gets a mail, and whether it may go: rules over what was read for many mails at once; pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.notifications.domain.delivery import wait_s
from services.notifications.domain.mails import Mail, MailState, NotToBeSentYet, Reason
from services.notifications.domain.people import Person, User, user_key


class Users:
    """The users that some mails name, and those who have their addresses; anybody else is missing."""

    def __init__(self, users: Iterable[User]) -> None:
        """From the copies."""
        self._by_id = {user.id: user for user in users}
        self._by_address: dict[str, list[User]] = {}
        for user in self._by_id.values():
            for email in {user.login_email, user.contact_email}:
                self._by_address.setdefault(email, []).append(user)

    def person_of(self, mail: Mail, *, time_zone: str | None = None) -> Person:
        """The user that the row names, else the company's user who has the address, else the address itself.

        NotToBeSentYet while the named user's copy has not come. `time_zone` is the company's.
        """
        user = self._by_id.get(mail.user_id) if mail.user_id is not None else self._user_with_address(mail)
        if user is None and mail.user_id is not None:
            raise NotToBeSentYet
        is_stranger = not self._is_login(mail.email)
        if user is None:
            return Person.of_address(mail.email, mail.company_id, time_zone=time_zone, is_stranger=is_stranger)
        return Person.of_user(
            user.id, active=user.active, language=user.language, time_zone=user.time_zone, is_stranger=is_stranger
        )

    def key_of(self, mail: Mail) -> str:
        """The key of the person whom the row is for, though their copy may not have come."""
        return user_key(mail.user_id) if mail.user_id is not None else self.person_of(mail).key

    def is_of_company(self, user_id: UUID, company_id: UUID | None) -> bool:
        """Whether the user is of the company, as far as we know."""
        user = self._by_id.get(user_id)
        return user is None or user.company_id == company_id

    def _is_login(self, email: str) -> bool:
        """Whether the address is a verified login of an active user, in any company.

        The address of a profile is not enough: people may type any address there.
        """
        return any(user.active and user.login_email == email for user in self._by_address.get(email, ()))

    def _user_with_address(self, mail: Mail) -> User | None:
        users = [user for user in self._by_address.get(mail.email, ()) if user.company_id == mail.company_id]
        if not mail.may_be_opted_out:
            # A user who was removed may be invited again.
            users = [user for user in users if user.active]
        return min(users, key=lambda user: (not user.active, user.login_email != mail.email), default=None)


@dataclass(frozen=True, slots=True)
class Known:
    """What the copies say of some mails' people, companies and addresses."""

    users: Users
    time_zones: Mapping[UUID, str | None] = field(default_factory=dict)  # of companies
    suspended: Collection[UUID] = ()
    bouncing: Collection[str] = ()

    def person_of(self, mail: Mail) -> Person:
        """Who gets the mail; NotToBeSentYet while that is not known."""
        time_zone = None if mail.company_id is None else self.time_zones.get(mail.company_id)
        return self.users.person_of(mail, time_zone=time_zone)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The mail may go to this person; or not, for a reason; or is to be asked about again later."""

    person: Person | None = None
    reason: Reason | None = None
    again_in_s: float | None = None

    @property
    def may_go(self) -> bool:
        """As far as anybody knows who has not read what the person wants."""
        return self.reason is None and self.again_in_s is None


@dataclass(frozen=True, slots=True)
class Letter:
    """A claimed mail that may go, and to whom."""

    mail: Mail
    person: Person
    users: Users

    @property
    def is_to_be_counted(self) -> bool:
        """Among the mails to strangers, of which there are bounds."""
        return self.person.is_stranger and self.mail.may_be_opted_out and not self.mail.is_counted

    @property
    def counts_for_user(self) -> bool:
        """Vendor users close many companies' cases: of what they cause only the company counts."""
        caused_by = self.mail.caused_by
        return caused_by is not None and self.users.is_of_company(caused_by, self.mail.company_id)


def judge(mail: Mail, before: Sequence[Mail], known: Known, *, unknown_again_in_s: float) -> Verdict:
    """Whether a claimed mail may go; `before` are the rows of its event that come before it.

    What people want is read later, after it is written down who they are; so is how many mails strangers got.
    """
    if mail.is_expired:
        return Verdict(reason=Reason.EXPIRED)
    if mail.was_claimed:
        # A row that kills its senders must not be the first one that each new sender tries.
        return Verdict(again_in_s=wait_s(mail.interruptions, unknown=mail.unknown_outcomes))
    try:
        person = known.person_of(mail)
    except NotToBeSentYet:
        return Verdict(again_in_s=unknown_again_in_s)
    # Rows for the same person that come before this one go first. Where none of them is sent, this one goes.
    first = next(
        (each for each in before if not each.has_ended_unsent and known.users.key_of(each) == person.key), None
    )
    if first is not None:
        is_told = first.state is MailState.SENT
        return Verdict(reason=Reason.SAME_PERSON) if is_told else Verdict(again_in_s=unknown_again_in_s)
    return Verdict(person, _reason_against(mail, person, known))


def _reason_against(mail: Mail, person: Person, known: Known) -> Reason | None:
    if not person.active:
        return Reason.DEACTIVATED
    if mail.may_be_opted_out and mail.company_id in known.suspended:
        return Reason.COMPANY_SUSPENDED
    if mail.email in known.bouncing:
        return Reason.BOUNCING
    return None
