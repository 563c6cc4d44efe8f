"""All pages, in the order in which they are shown."""

from config.panels.cost import COST
from config.panels.database import DATABASE
from config.panels.gpus import GPUS
from config.panels.host import HOST
from config.panels.jobs import JOBS
from config.panels.model import Dashboard
from config.panels.my_class import MY_CLASS
from config.panels.nodes import NODES
from config.panels.overview import OVERVIEW
from config.panels.scheduling import SCHEDULING

DASHBOARDS: tuple[Dashboard, ...] = (
    OVERVIEW,
    COST,
    SCHEDULING,
    NODES,
    JOBS,
    MY_CLASS,
    GPUS,
    DATABASE,
    HOST,
)
