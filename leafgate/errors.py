"""The one error family that a person sees: what was wrong, and what to do about it."""


class UserError(Exception):
    """A foreseeable mistake. The CLI prints both sentences and exits 2; the API answers with both.

    problem: what was wrong, naming the value. fix: what to do. code: stable, for machines.
    """

    def __init__(self, problem: str, fix: str, code: str = "bad_request") -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.code = code

    def __str__(self) -> str:
        return f"{self.problem}: {self.fix}"


class ImageError(UserError):
    """An image that cannot be used. code: `not_an_image`, `unreadable_image`, `image_too_large`."""
