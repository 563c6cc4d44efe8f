"""Grafana's settings, as environment variables, and where its files are in its container.

Apart from the pages (grafana.py), whose library is only needed where Grafana runs.
"""

from collections.abc import Mapping

PROVISIONING = "/etc/grafana/provisioning"
DASHBOARDS_DIRECTORY = "/etc/grafana/dashboards"
HOME_DASHBOARD = "hpc-overview"
"""The page that is shown first: its uid, and its file's name without .json."""

GRAFANA_ENVIRONMENT: Mapping[str, str] = {
    # It is reached through the controller's machine alone, and shows what every user may see.
    "GF_AUTH_ANONYMOUS_ENABLED": "true",
    "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
    "GF_AUTH_ANONYMOUS_HIDE_VERSION": "true",
    "GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/secrets/grafana_password",
    "GF_SECURITY_DISABLE_GRAVATAR": "true",
    "GF_USERS_ALLOW_SIGN_UP": "false",
    "GF_USERS_ALLOW_ORG_CREATE": "false",
    "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{DASHBOARDS_DIRECTORY}/{HOME_DASHBOARD}.json",
    "GF_DASHBOARDS_MIN_REFRESH_INTERVAL": "15s",
    # Nothing is told to, or asked of, anybody outside.
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_ANALYTICS_FEEDBACK_LINKS_ENABLED": "false",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
    "GF_SNAPSHOTS_EXTERNAL_ENABLED": "false",
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_PLUGINS_PLUGIN_ADMIN_ENABLED": "false",
    "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
    # Alerts are Prometheus' and Alertmanager's.
    "GF_UNIFIED_ALERTING_ENABLED": "false",
    "GF_LOG_MODE": "console",
    "GF_LOG_LEVEL": "warn",
}
"""Of its container. The image reads a variable whose name ends in __FILE from that file."""
