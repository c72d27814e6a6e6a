"""SCIM 2.0 (RFC 7643, RFC 7644) at /scim/v2 for the program of a city's directory.

A User is a staff member, a Group a unit. Beside the JSON API and not part of its OpenAPI document: the protocol is the
RFCs', and what of it is here is told at /scim/v2/ServiceProviderConfig, /ResourceTypes and /Schemas.
"""
