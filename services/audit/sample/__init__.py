"""Practice logs: as a city's would be, made by the same code, and damaged in every way that a verifier has to find."""
