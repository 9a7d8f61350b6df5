"""What a ticket's text may say beside its question: the company's own model. Patterns stand in process.yaml."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Ticket(BaseModel):
    """Fields that rules may name; one that the text does not say stays None."""

    product: str | None = Field(default=None, description="the product that is meant, such as Taktor D240")
    order_number: str | None = Field(default=None, description="of the customer's or of our order")
    invoice_number: str | None = None
    amount: float | None = Field(default=None, ge=0, description="the largest sum of money that is named")
    error_code: str | None = Field(default=None, description="as a display shows it, such as E32")
