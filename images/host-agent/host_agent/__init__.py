"""The controller host's agent: brings the cluster to its bundle, says how it went, keeps dumps.

bundle.py reads what is wanted, decide.py decides, engine.py and account.py do it, agent.py is the
loop, dumps.py is apart.
"""
