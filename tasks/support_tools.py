"""Two tools of a support desk, as small as they can be: a customer table in memory and an outbox that only pretends."""

from typing import Any, Literal

_CUSTOMERS: dict[int, dict[str, Any]] = {
    101: {"id": 101, "name": "Anna", "tier": "free", "email": "anna@gmail.com"},
    202: {"id": 202, "name": "Max", "tier": "pro", "email": "max@company.local"},
}


def customer_db(action: Literal["read", "update_tier"], customer_id: int, new_tier: str | None = None) -> dict[str, Any]:
    """Reads a customer's profile, or changes the tier.

    Args:
        action: what to do.
        customer_id: the customer's number.
        new_tier: the tier to change to, for `update_tier`.
    """
    customer = _CUSTOMERS.get(customer_id)
    if customer is None:
        return {"ok": False, "error": f"customer {customer_id} not found"}
    if action == "update_tier":
        if new_tier is None:
            return {"ok": False, "error": "new_tier is missing"}
        customer["tier"] = new_tier
    return {"ok": True, "customer": customer}


def email_service(to: str, subject: str, body: str) -> dict[str, Any]:
    """Sends an e-mail to a customer.

    Args:
        to: the address.
        subject: one line.
        body: the text.
    """
    return {"ok": True, "status": "queued", "to": to, "subject": subject, "preview": body[:80]}
