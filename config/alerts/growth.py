"""How much a counter has grown, also where it did not exist before."""


def growth(counter: str, labels: str, window: str) -> str:
    """PromQL: the growth of a counter within a window, summed over all but `labels`.

    A counter with labels appears with its first event, of which PromQL's own increase() knows
    nothing. Here what has no past counts from zero; past: not older than a day, so that a gap in
    the measurements is none.
    """
    born = f"({counter} unless max_over_time({counter}[1d] offset {window}))"
    return f"sum by ({labels}) ({born} or increase({counter}[{window}]))"
