"""Where alerts go. What of it is secret is not here, but in the Alertmanager's secrets."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.settings.mistakes import Mistake, path_text
from config.settings.part import Many, Part, Switch, Text, Whole, without_duplicates

MAIL_LOGIN = "alert_email_password"
CHAT_URL = "alert_webhook_url"
HEARTBEAT_URL = "alert_heartbeat_url"
"""Names of the secrets, each a file in /run/secrets of Alertmanager's container."""

SECRETS = (MAIL_LOGIN, CHAT_URL, HEARTBEAT_URL)

MailAddress = Annotated[
    Text,
    Field(
        pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$",
        json_schema_extra={"allowed": "a mail address, such as ops@example.org"},
    ),
]


class Email(Part):
    """Alerts by mail."""

    to: Annotated[Many[MailAddress], Field(min_length=1), AfterValidator(without_duplicates)]
    """Who gets them."""
    sender: MailAddress
    """The address that they come from."""
    smarthost: Annotated[
        Text,
        Field(
            pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*:[0-9]{1,5}$",
            json_schema_extra={"allowed": "a name and a port, such as mail.example.org:587"},
        ),
    ]
    """The mail server that takes them."""
    username: Annotated[
        Text,
        Field(
            pattern=r"^[^\s\"'{}$]{0,200}$",
            json_schema_extra={"allowed": "one word, without quotes, braces or '$'"},
        ),
    ] = ""
    """Who the cluster is to that server; the password is the secret `alert_email_password`.

    Empty: the server asks for no password.
    """
    tls: Switch = True
    """Whether the server must take mail encrypted."""


class Webhook(Part):
    """Alerts to a chat that takes Slack's incoming webhooks (Slack, Mattermost, Rocket.Chat).

    The URL is the secret `alert_webhook_url`.
    """

    channel: Annotated[
        Text,
        Field(
            pattern=r"^([#@]?[A-Za-z0-9._-]{1,80})?$",
            json_schema_extra={"allowed": "the name of a channel, such as #cluster"},
        ),
    ] = ""
    """The channel. Empty: the webhook's own."""


class Sns(Part):
    """Alerts to a topic of Amazon SNS, sent by the controller's role. Only on AWS."""

    topic_arn: Annotated[
        Text,
        Field(
            pattern=r"^arn:aws(-[a-z]+)*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$",
            json_schema_extra={"allowed": "the ARN of a standard topic, arn:aws:sns:..."},
        ),
    ]
    """The topic. The controller's role may publish to it, and to no other.

    What is yours must let that role in, too: the policy of a topic in another account
    (`sns:Publish`); the policy of the KMS key with which a topic is encrypted (`kms:Decrypt`,
    `kms:GenerateDataKey`).
    """

    @property
    def region(self) -> str:
        """The topic's region."""
        return self.topic_arn.split(":")[3]


class Alerts(Part):
    """Who hears of alerts. With no receiver they are seen in Prometheus and Grafana alone."""

    email: Email | None = None
    """Send them by mail."""
    webhook: Webhook | None = None
    """Send them to a chat."""
    sns: Sns | None = None
    """Send them to a topic of Amazon SNS."""
    heartbeat: Switch = False
    """Whether a dead man's switch elsewhere hears every five minutes that alerts can be sent.

    It sounds when it hears nothing, which no cluster can say of itself. Its URL, which takes a
    POST, is the secret `alert_heartbeat_url`.
    """
    least_severity: Literal["page", "warning", "info"] = "warning"
    """The least that is sent: `page` is for at once, `warning` for the next working day, `info` is
    good to know."""
    repeat_hours: Annotated[Whole, Field(ge=1, le=96)] = 4
    """Hours after which an alert that still holds is sent again."""
    runbook_base: Annotated[
        Text,
        Field(
            pattern=r"^[A-Za-z0-9._~:/?=&%+@-]{1,200}$",
            json_schema_extra={"allowed": "a path or URL without '#'"},
        ),
    ] = "docs/runbook.md"
    """Where people find the runbook: each alert links to its paragraph there.

    A URL, such as that of the file in your Git server: a path is no link in a message.
    """

    @property
    def links_to_runbook(self) -> bool:
        """Whether a message can link to it, rather than say where it lies in a checkout."""
        return self.runbook_base.startswith(("https://", "http://"))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that Alertmanager needs."""
        needed = (
            (MAIL_LOGIN, self.email is not None and bool(self.email.username)),
            (CHAT_URL, self.webhook is not None),
            (HEARTBEAT_URL, self.heartbeat),
        )
        return tuple(name for name, is_needed in needed if is_needed)


def misplaced_receivers(alerts: Alerts, platform: str) -> Iterator[Mistake]:
    """Receivers that the platform cannot reach."""
    if alerts.sns is not None and platform != "aws":
        yield Mistake(
            path_text(("monitoring", "alerts", "sns", "topic_arn")),
            alerts.sns.topic_arn,
            "a topic only with `platform: aws`, whose controller has a role that may publish",
            "remove sns, or use email or webhook",
        )
