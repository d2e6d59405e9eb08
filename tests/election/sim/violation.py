"""What the simulator raises when something that must hold does not."""

__all__ = ["Violation"]


class Violation(AssertionError):  # noqa: N818  (it is what the simulator looks for, no error of its own)
    """`invariant` in one sentence, and the `detail` of how it was broken."""

    def __init__(self, invariant: str, detail: str) -> None:
        self.invariant = invariant
        self.detail = detail
        super().__init__(f"{invariant}: {detail}")
