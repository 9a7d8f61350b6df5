"""Tokens of an OpenID Connect provider: who bears them, by PyJWT and the provider's published keys.

Only asymmetric signatures are accepted, so that a public key can never serve as a shared secret; a token must name our
issuer and our audience, its bearer, and when it expires. Keys are fetched from the address that the discovery document
names, kept for ten minutes, and fetched again at once for a key id that is not among them, but not more often than
every ten seconds, since anybody can make up key ids.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import httpx
import jwt
from pydantic import ValidationError

from tasks.access_models import Caller
from tasks.errors import AccessDenied, BackendUnavailable, ConfigurationError
from tasks.models import hash_text

logger = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
KEYS_LIVE_SECONDS = 600.0
PAUSE_SECONDS = 10.0
LEEWAY_SECONDS = 30.0
_MAX_TOKEN_CHARACTERS = 16_384


class OidcTokens:
    """Implements the port `TokenReader` for one issuer.

    Args:
        issuer: Its address, as tokens name it.
        audience: What tokens must be made for.
        tenant: Whose documents its users ask.
        principal_claim: Names the user. The default "sub" is given by the provider; users can often choose the others.
        groups_claim: Lists the user's groups; without it a user has none.
        timeout_seconds: Of the issuer's silence.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        issuer: str,
        *,
        audience: str,
        tenant: str,
        principal_claim: str = "sub",
        groups_claim: str = "groups",
        timeout_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._tenant = tenant
        self._principal_claim = principal_claim
        self._groups_claim = groups_claim
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._lock = Lock()
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")

    def read_caller(self, token: str) -> Caller:
        """The caller that the token proves.

        Raises:
            AccessDenied: It proves nobody: forged, expired, made for others.
            BackendUnavailable: The provider's keys cannot be fetched.
            ConfigurationError: The issuer's answers are none of OpenID Connect.
        """
        if len(token) > _MAX_TOKEN_CHARACTERS:
            raise _deny("it is too long")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise _deny("its signature is of a kind that is not accepted")
            claims = self._verify(token, self._find_key(header.get("kid")))
        except jwt.PyJWTError as error:
            raise _deny(_reason(error)) from error
        return self._make_caller(claims)

    def _verify(self, token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=self._audience,
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", self._principal_claim]},
        )

    def _make_caller(self, claims: Mapping[str, Any]) -> Caller:
        principal, groups = claims[self._principal_claim], claims.get(self._groups_claim, [])
        if self._principal_claim == "email" and claims.get("email_verified") is not True:
            raise _deny("its mail address is not verified")
        groups = [groups] if isinstance(groups, str) else groups
        try:
            key_id = f"oidc:{hash_text(str(principal))[:12]}"
            return Caller(principal=principal, groups=tuple(groups), tenant=self._tenant, key_id=key_id)
        except (ValidationError, TypeError) as error:
            raise _deny("its user or groups have names that cannot be") from error

    def _find_key(self, key_id: str | None) -> jwt.PyJWK:
        known = self._keys.get(key_id)
        if known and self._clock() - self._fetched_at <= KEYS_LIVE_SECONDS:
            # Outside the lock: made-up key ids, for which the issuer is asked, hold nobody else up.
            return known
        with self._lock:
            now = self._clock()
            outdated = now - self._fetched_at > KEYS_LIVE_SECONDS
            if (outdated or key_id not in self._keys) and now - self._tried_at >= PAUSE_SECONDS:
                self._tried_at = now
                self._keys = self._fetch_keys()
                self._fetched_at = now
            elif outdated:
                raise BackendUnavailable(
                    f"the keys of {self._issuer} could not be fetched", advice="look whether it can be reached"
                )
            if key_id not in self._keys:
                raise _deny("its key is none of the issuer's")
            return self._keys[key_id]

    def _fetch_keys(self) -> dict[str | None, jwt.PyJWK]:
        """By key id; the only key of a set answers for tokens that name none, too."""
        discovered = self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if discovered.get("issuer") != self._issuer:
            raise ConfigurationError(
                f"{self._issuer} says that its name is {str(discovered.get('issuer'))[:200]!r}",
                advice="write EXPERTLOOP_OIDC_ISSUER exactly as the issuer names itself",
            )
        keys: dict[str | None, jwt.PyJWK] = {}
        for described in self._get(str(discovered.get("jwks_uri"))).get("keys", []):
            if described.get("kty") == "oct" or described.get("use", "sig") != "sig":
                continue
            try:
                keys[described.get("kid")] = jwt.PyJWK.from_dict(described)
            except jwt.PyJWTError:
                logger.info("key of the issuer is of an unknown kind kid=%s", described.get("kid"))
        if len(keys) == 1:
            keys.setdefault(None, next(iter(keys.values())))
        return keys

    def _get(self, url: str) -> Mapping[str, Any]:
        try:
            response = httpx.get(url, timeout=self._timeout_seconds)
            response.raise_for_status()
            answer = response.json()
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
            raise ConfigurationError(
                f"{url} is no OpenID Connect address", advice="check EXPERTLOOP_OIDC_ISSUER"
            ) from error
        except httpx.HTTPError as error:
            raise BackendUnavailable(
                f"{url} does not answer: {type(error).__name__}", advice="look whether the issuer can be reached"
            ) from error
        if not isinstance(answer, dict):
            raise ConfigurationError(f"{url} is no OpenID Connect address", advice="check EXPERTLOOP_OIDC_ISSUER")
        return answer


def _reason(error: jwt.PyJWTError) -> str:
    """Why, without a word of the token."""
    reasons = {
        jwt.ExpiredSignatureError: "it expired",
        jwt.ImmatureSignatureError: "it is not valid yet",
        jwt.InvalidAudienceError: "it was made for others",
        jwt.InvalidIssuerError: "another issuer made it",
        jwt.MissingRequiredClaimError: "a claim is missing",
        jwt.InvalidSignatureError: "its signature is wrong",
    }
    return next((reason for kind, reason in reasons.items() if isinstance(error, kind)), "it cannot be read")


def _deny(reason: str) -> AccessDenied:
    return AccessDenied(
        f"the token proves nothing: {reason}", advice="sign in again, or send a key of `expertloop keys`"
    )
