"""What a complaint says beside its story."""

from pydantic import BaseModel, Field


class Complaint(BaseModel):
    """Facts of a complaint to a bank."""

    amount: float | None = Field(default=None, ge=0)
