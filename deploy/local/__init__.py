"""The embedded stack: PostgreSQL, NATS, an S3 server and an OIDC provider on one machine.

For the demo, for development and for tests; production engines come with the chart.
`system.py` is the map, `stack.py` starts and stops it, `README.md` says how to use both.
"""
