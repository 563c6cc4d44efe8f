"""`make report`: from what Prometheus says to what a browser shows."""
