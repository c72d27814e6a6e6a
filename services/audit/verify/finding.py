"""What a verification says when something is wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where: a path of the log, "leaf 785", a source or an object.

    A remark is nothing wrong: it should be known, and the log itself explains it.
    """

    place: str
    problem: str
    remark: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}{' (a remark)' if self.remark else ''}"
