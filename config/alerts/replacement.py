"""What to do about a machine that is to be replaced by another."""

REPLACE = (
    "`scontrol update nodename=NODE state=power_down_asap reason={}`: it takes no new jobs, goes"
    " when those that it has are over, and the next time the node is wanted it is another machine."
)
