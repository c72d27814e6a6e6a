"""What every service stands on: settings, server, client, errors, identity, db, outbox, events, recorder, telemetry.

Nothing here knows a noun of the city's work.
"""
