"""Makes a queue, of whose new tickets a second address hears, and somebody who may create them; prints their token."""

import sys

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402  # only after the setup
from helpdesk.models import Queue  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

staff = get_user_model().objects.create_superuser("vera", "vera@vendor.example", "not used")
Queue.objects.create(title="Support", slug="support", new_ticket_cc="luc@company.example")
sys.stdout.write(Token.objects.create(user=staff).key)
