"""Typed settings of a cluster: frozen, validated, and without any knowledge of Pulumi.

One module for each part; `load_cluster` turns what a person wrote into `ClusterSettings`.
"""

from config.settings.accounts import NORMAL, ROOT, Account, Limits, Qos
from config.settings.cluster import ClusterSettings
from config.settings.database import Database
from config.settings.load import load_cluster
from config.settings.machine import machine_warnings
from config.settings.mistakes import Mistake, SettingsError
from config.settings.monitoring import Monitoring
from config.settings.pools import Gpus, Pool
from config.settings.ports import Ports
from config.settings.slurm import Priority, Scheduler, Slurm
from config.settings.slurm_conf_lines import OWNED_KEYS
from config.settings.slurm_time import UNLIMITED, span_minutes, span_seconds
from config.settings.storage import Storage
from config.settings.tres import tres_text
from config.settings.unspendable_budgets import budget_warnings
from config.settings.users import User

__all__ = [
    "NORMAL",
    "OWNED_KEYS",
    "ROOT",
    "UNLIMITED",
    "Account",
    "ClusterSettings",
    "Database",
    "Gpus",
    "Limits",
    "Mistake",
    "Monitoring",
    "Pool",
    "Ports",
    "Priority",
    "Qos",
    "Scheduler",
    "SettingsError",
    "Slurm",
    "Storage",
    "User",
    "budget_warnings",
    "load_cluster",
    "machine_warnings",
    "span_minutes",
    "span_seconds",
    "tres_text",
]
