"""API keys and signed bodies. Keys are made of 256 random bits, shown once, kept as a hash, compared in constant time.

A key is `elk_<key_id>_<secret>`. The key_id finds its row and is no secret. The secret is kept as one plain sha256:
slow hashes (bcrypt, argon2) protect passwords, which people choose and attackers guess; nobody guesses 256 random bits,
and a slow hash on every request would only be a way to keep the server busy.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from typing import NamedTuple

from tasks.access_models import ApiKey, Role
from tasks.access_ports import StoredKey
from tasks.models import derive_id

_SECRET_BYTES = 32
_KEY = re.compile(r"elk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NO_HASH = "0" * 64
SIGNATURE_HEADER = "X-Expertloop-Signature"
"""Of webhooks, those that come and those that go."""


class PresentedKey(NamedTuple):
    """A key as a caller sent it."""

    key_id: str
    secret: str


def make_key(
    *, tenant: str, principal: str, groups: tuple[str, ...], role: Role, created_at: datetime
) -> tuple[str, StoredKey]:
    """A new key: the text to hand over once, and what is kept of it.

    Raises:
        ValueError: The principal or a group has a name that none can have.
    """
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    secret_hash = _hash(secret)
    key_id = derive_id("api-key", secret_hash).replace("-", "")[:16]
    key = ApiKey(key_id=key_id, tenant=tenant, principal=principal, groups=groups, role=role, created_at=created_at)
    return f"elk_{key_id}_{secret}", StoredKey(key, secret_hash)


def parse_key(text: str) -> PresentedKey | None:
    """The parts of something that looks like a key; None for anything else."""
    match = _KEY.fullmatch(text)
    return PresentedKey(match[1], match[2]) if match else None


def is_genuine(presented: PresentedKey, stored: StoredKey | None) -> bool:
    """Whether the secret is the kept one and the key was not revoked; an unknown key takes the same time."""
    equal = hmac.compare_digest(_hash(presented.secret), stored.secret_hash if stored else _NO_HASH)
    return equal and stored is not None and stored.key.revoked_at is None


def sign_body(body: bytes, key: str) -> str:
    """HMAC-SHA256 of a body, as the signature's header carries it."""
    return "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def is_signed(body: bytes, signature: str, key: str) -> bool:
    """Whether who holds the key wrote the body."""
    return hmac.compare_digest(sign_body(body, key).encode(), signature.encode())


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("ascii")).hexdigest()
