"""A laboratory on loopback: certificates, the gateway, hand-made endpoints and real programs. Tests, demo and bench use it."""
