"""
Keys of old files that mxisd and ma1sd did not look at.

Who finds another one adds a line: what is written here is what the administrator reads at start.
"""

from __future__ import annotations

from .engine.strays import Strays

_SENDGRID = "notification.handlers.sendgrid.templates.session"
_OF_SYNAPSE = "it belongs into the homeserver.yaml of Synapse"
_SESSIONS = "sessions are only at this server: write"
_EMAIL = "it belongs below threepid.medium.email"

STRAYS = Strays(
    advice={
        "enable_registration": _OF_SYNAPSE,
        "registrations_require_3pid": _OF_SYNAPSE,
        "app_service_config_files": _OF_SYNAPSE,
        "matrix.listener": "write appsvc, with endpoint.toHS, endpoint.toAS and registration.synapse.file",
        "ldap.config": "its keys belong right below ldap",
        "ldap.config.policy": "its keys belong right below ldap",
        "ldap.connection.attribute": "write ldap.attribute",
        "ldap.attribute.email": "write ldap.attribute.threepid.email",
        "ldap.attribute.msisdn": "write ldap.attribute.threepid.msisdn",
        "netiq.connection.attribute": "write netiq.attribute",
        "netiq.attribute.email": "write netiq.attribute.threepid.email",
        "netiq.attribute.msisdn": "write netiq.attribute.threepid.msisdn",
        "exec.env": "write it below each program, such as exec.auth.env",
        "register.allowed": "write register.policy.allowed",
        "register.invite": "write register.policy.invite",
        "register.threepid": "write register.policy.threepid",
        "session.policy.unbind.notification": "write session.policy.unbind.notifications",
        "session.policy.unbind.frandulent": "write session.policy.unbind.fraudulent",
        "session.policy.validation.forLocal": f"{_SESSIONS} session.policy.validation.enabled",
        "session.policy.validation.forRemote": f"{_SESSIONS} session.policy.validation.enabled",
        "threepid.medium.identity": _EMAIL,
        "threepid.medium.connectors": _EMAIL,
        "view.session.localRemote": f"{_SESSIONS} view.session.onTokenSubmit",
        "view.session.remote": f"{_SESSIONS} view.session.onTokenSubmit",
        "notification.handlers.raw": "what it sends is configured below threepid.medium",
        f"{_SENDGRID}.validation.local": f"write {_SENDGRID}.validation",
        f"{_SENDGRID}.validation.remote": f"write {_SENDGRID}.validation",
        f"{_SENDGRID}.unbind.subject": f"write {_SENDGRID}.unbind.notification.subject",
        f"{_SENDGRID}.unbind.body": f"write {_SENDGRID}.unbind.notification.body",
    },
    guarded=(
        "account.",
        "appsvc.feature.admin.",
        "auth.checkCredentials.",
        "invite.policy.",
        "lookup.recursive.",
        "outbound.",
        "register.policy.",
        "server.",
        "session.policy.",
    ),
)
