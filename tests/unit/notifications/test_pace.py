"""How many mails the sender takes at once."""

from services.notifications.pace import CONNECTIONS, Speed


def test_mails_for_a_server_that_nobody_knows_yet_go_one_by_one_over_all_connections() -> None:
    speed = Speed()
    assert (speed.mails_at_once, speed.mails_in_hand) == (1, CONNECTIONS)


def test_many_go_at_once_to_a_fast_server_but_never_more_than_are_lost_lightly() -> None:
    speed = Speed()
    for _ in range(20):
        speed.note(0.001)
    assert (speed.mails_at_once, speed.mails_in_hand) == (16, 128)


def test_the_last_of_those_that_are_marked_together_goes_soon_after() -> None:
    speed = Speed()
    for took_s in (0.001, 0.01, 0.02, 0.05, 0.2, 2.0):
        for _ in range(20):
            speed.note(took_s)
        assert speed.mails_at_once == 1 or speed.mails_at_once * took_s <= 0.25


def test_one_mail_that_takes_long_does_not_make_a_server_slow_but_many_do() -> None:
    speed = Speed()
    speed.note(0.001)
    speed.note(120.0)
    assert speed.mails_at_once == 16
    for _ in range(30):
        speed.note(120.0)
    assert speed.mails_at_once == 1
    speed.note(0.001)
    assert speed.mails_at_once == 16
