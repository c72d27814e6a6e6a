"""A small OIDC provider for the sample staff: choose a person, no password.

Authorization code flow with PKCE S256 and nothing else, as a city's own identity provider would
be used. It exists for the demo and for tests, and says so on its page.
"""
