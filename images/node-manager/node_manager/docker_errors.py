"""What the engine's errors mean for a launch. Pure."""

from docker.errors import APIError, ImageNotFound

from node_manager.provider import LaunchFailure

NOT_FOUND = 404


def launch_failure(error: Exception) -> LaunchFailure:
    """Tell what a person must fix, or what is short, from what may be over in a moment."""
    text, code = one_line(error), error_code(error)
    return LaunchFailure(
        code=code,
        message=text,
        retryable=code == "no_engine" or code.startswith("http_"),
        shortage=code in ("no_space", "no_address"),
    )


def error_code(error: Exception) -> str:
    """What went wrong, in one word: of a launch's failure, and of a call as it is counted."""
    text = one_line(error)
    if isinstance(error, ImageNotFound):
        return "no_image"
    if not isinstance(error, APIError):
        return "no_engine"
    if "could not select device driver" in text or "no such file or directory" in text:
        return "no_device"
    if "no space left" in text:
        return "no_space"
    if "no available IPv4 addresses" in text:
        return "no_address"
    return "not_found" if error.status_code == NOT_FOUND else f"http_{error.status_code}"


def one_line(error: Exception) -> str:
    """What the engine said; where it did not answer, what the error says."""
    text = error.explanation if isinstance(error, APIError) and error.explanation else str(error)
    return " ".join(str(text).split())
