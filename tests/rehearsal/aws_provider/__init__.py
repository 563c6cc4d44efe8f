"""A stand-in for pulumi-aws' provider: what the program declares is carried out against moto.

`kind.py` says what a type of resource is; a module per service has its table; `servicer.py` speaks
with the engine. Types and inputs that are not in a table are errors.

What moto 5.2.5 has not, and is kept in a file instead (`side_store.py`): lifecycle policies of DLM,
placement groups, lifecycle and policy of EFS; and the policies of buckets, whose conditions moto
does not look at, so that "deny what is not TLS" would deny all. What moto lets through and AWS
would not: permissions, quotas, capacity; names are checked in `kind.py` where that is cheap.
"""
