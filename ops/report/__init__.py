"""`make report`: the panels of config/panels as one page that needs neither Grafana nor a network.

Panels are asked for (data.py, prometheus.py), and whether those answer who tell of them
(silence.py). They become what is to be seen of them (views.py), with plots for plotly.js
(over_time.py, histogram.py), and are written into page.html (page.py).
"""
