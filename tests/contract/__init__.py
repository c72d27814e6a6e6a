"""What others rely on: the HTTP surface and the protos may grow, and nothing in them may break."""
