"""Everything has the language in its path, the socket and its tokens too."""

from __future__ import annotations

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import path

from tests.strange_project.people import views

urlpatterns = i18n_patterns(
    path("", views.DeskPage.as_view(), name="desk"),
    path("ws/<str:route>", views.DeskView.as_view()),
    path("token/", views.token, name="token"),
    path("logout/", auth.LogoutView.as_view(next_page="desk")),
    path("admin/", admin.site.urls),
)
