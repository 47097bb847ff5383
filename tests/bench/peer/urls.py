"""Addresses of the reference run. Not part of Portico."""

from django.urls import include, path

urlpatterns = [path("", include("helpdesk.urls"))]
