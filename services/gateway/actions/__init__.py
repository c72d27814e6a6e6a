"""What the gateway does for people, one module per noun: RPC calls in, plain dicts out. API and pages both call it."""
