"""What people and tests set: models that refuse what they do not know, and say so plainly."""

from pydantic import BaseModel, ConfigDict, ValidationError


class Settable(BaseModel):
    """A value that is set from outside; a key that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def problems(error: ValidationError) -> str:
    """Write every problem of a validation in one line each: where, and what."""
    lines = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(map(str, problem["loc"])) or "value"
        lines.append(f"{place}: {problem['msg']}")
    return "; ".join(lines)
