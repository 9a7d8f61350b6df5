"""Tokens of an identity provider: a local key set, and every way to forge."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tasks.errors import AccessDenied, BackendUnavailable, ConfigurationError
from tasks.integrations.oidc import KEYS_LIVE_SECONDS, PAUSE_SECONDS, OidcTokens

AUDIENCE = "expertloop"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE_KEY = ec.generate_private_key(ec.SECP256R1())


def public(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    return {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"}


class Issuer:
    """An identity provider on a local port; its keys can change while it runs."""

    def __init__(self) -> None:
        self.address = ""
        self.name: str | None = None
        self.keys: list[dict[str, Any]] = [public(KEY, "k1")]
        self.down = False
        self.fetched = 0

    def respond(self, path: str) -> tuple[int, dict[str, Any]]:
        if self.down:
            return 500, {}
        if path == "/.well-known/openid-configuration":
            return 200, {"issuer": self.name or self.address, "jwks_uri": f"{self.address}/keys"}
        self.fetched += 1
        return 200, {"keys": self.keys}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, answer = issuer.respond(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    issuer.address = f"http://127.0.0.1:{server.server_port}"
    yield issuer
    server.shutdown()
    server.server_close()
    thread.join()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(issuer: Issuer, clock: Clock) -> OidcTokens:
    return OidcTokens(issuer.address, audience=AUDIENCE, tenant="default", clock=clock)


def claims(issuer: Issuer, **changed: Any) -> dict[str, Any]:
    whole = {
        "iss": issuer.address,
        "aud": AUDIENCE,
        "sub": "user-17",
        "exp": time.time() + 600,
        "groups": ["hr", "service"],
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not None}


def sign(claims: dict[str, Any], *, key: Any = KEY, algorithm: str = "RS256", kid: str | None = "k1") -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else {})


def test_a_good_token_is_its_user_with_the_groups(issuer: Issuer, tokens: OidcTokens) -> None:
    caller = tokens.read_caller(sign(claims(issuer)))
    assert caller.principals == {"everyone", "user-17", "hr", "service"}
    assert caller.tenant == "default"
    assert "user-17" not in caller.key_id


def test_elliptic_curves_are_understood(issuer: Issuer, tokens: OidcTokens) -> None:
    issuer.keys = [{**json.loads(ECAlgorithm.to_jwk(CURVE_KEY.public_key())), "kid": "e1"}]
    assert tokens.read_caller(sign(claims(issuer), key=CURVE_KEY, algorithm="ES256", kid="e1")).principal == "user-17"


def test_a_user_without_groups_is_nobody_elses(issuer: Issuer, tokens: OidcTokens) -> None:
    assert tokens.read_caller(sign(claims(issuer, groups=None))).principals == {"everyone", "user-17"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"aud": "another-program"}, "made for others"),
        ({"aud": None}, "a claim is missing"),
        ({"iss": "https://issuer.example"}, "another issuer"),
        ({"iss": None}, "a claim is missing"),
        ({"exp": time.time() - 3600}, "expired"),
        ({"exp": None}, "a claim is missing"),
        ({"nbf": time.time() + 3600}, "not valid yet"),
        ({"sub": None}, "a claim is missing"),
        ({"sub": "everyone"}, "names that cannot be"),
        ({"sub": ""}, "names that cannot be"),
        ({"groups": ["everyone"]}, "names that cannot be"),
        ({"groups": [{"name": "hr"}]}, "names that cannot be"),
        ({"groups": 7}, "names that cannot be"),
    ],
)
def test_claims_that_are_not_for_us_are_refused(
    issuer: Issuer, tokens: OidcTokens, changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(AccessDenied, match=reason):
        tokens.read_caller(sign(claims(issuer, **changed)))


def test_another_key_under_a_known_name_is_refused(issuer: Issuer, tokens: OidcTokens) -> None:
    with pytest.raises(AccessDenied, match="signature is wrong"):
        tokens.read_caller(sign(claims(issuer), key=OTHER_KEY))


def test_a_token_without_signature_is_refused(issuer: Issuer, tokens: OidcTokens) -> None:
    with pytest.raises(AccessDenied, match="kind that is not accepted"):
        tokens.read_caller(jwt.encode(claims(issuer), "", algorithm="none", headers={"kid": "k1"}))


@pytest.mark.parametrize("form", [PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1])
def test_the_public_key_is_no_shared_secret(issuer: Issuer, tokens: OidcTokens, form: PublicFormat) -> None:
    secret = KEY.public_key().public_bytes(Encoding.PEM, form)
    parts = [{"alg": "HS256", "typ": "JWT", "kid": "k1"}, claims(issuer)]
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, signed, hashlib.sha256)).rstrip(b"=")
    with pytest.raises(AccessDenied, match="kind that is not accepted"):
        tokens.read_caller(f"{signed.decode()}.{signature.decode()}")


def test_a_shared_secret_in_the_key_set_is_not_used(issuer: Issuer, tokens: OidcTokens) -> None:
    issuer.keys = [{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMw", "kid": "k1"}]
    with pytest.raises(AccessDenied, match="none of the issuer's"):
        tokens.read_caller(sign(claims(issuer)))


@pytest.mark.parametrize("token", ["a.b.c", "..", "é.é.é", "x" * 20_000, "eyJhbGciOiJSUzI1NiJ9.bm8.bm8"])
def test_what_is_no_token_is_refused(tokens: OidcTokens, token: str) -> None:
    with pytest.raises(AccessDenied):
        tokens.read_caller(token)


def test_keys_are_fetched_once_and_again_for_a_new_one(issuer: Issuer, tokens: OidcTokens, clock: Clock) -> None:
    for _ in range(5):
        tokens.read_caller(sign(claims(issuer)))
    assert issuer.fetched == 1
    issuer.keys = [public(OTHER_KEY, "k2")]
    clock.now += PAUSE_SECONDS
    assert tokens.read_caller(sign(claims(issuer), key=OTHER_KEY, kid="k2")).principal == "user-17"
    assert issuer.fetched == 2
    with pytest.raises(AccessDenied, match="none of the issuer's"):
        tokens.read_caller(sign(claims(issuer)))


def test_made_up_key_names_do_not_make_us_ask_the_issuer_each_time(
    issuer: Issuer, tokens: OidcTokens, clock: Clock
) -> None:
    tokens.read_caller(sign(claims(issuer)))
    for number in range(50):
        clock.now += 0.1
        with pytest.raises(AccessDenied, match="none of the issuer's"):
            tokens.read_caller(sign(claims(issuer), key=OTHER_KEY, kid=f"made-up {number}"))
    assert issuer.fetched == 1


def test_keys_that_the_issuer_took_back_are_not_used_for_long(issuer: Issuer, tokens: OidcTokens, clock: Clock) -> None:
    tokens.read_caller(sign(claims(issuer)))
    issuer.keys = []
    clock.now += KEYS_LIVE_SECONDS + 1
    with pytest.raises(AccessDenied, match="none of the issuer's"):
        tokens.read_caller(sign(claims(issuer)))


def test_an_issuer_that_does_not_answer_is_no_verdict_on_the_token(
    issuer: Issuer, tokens: OidcTokens, clock: Clock
) -> None:
    issuer.down = True
    with pytest.raises(BackendUnavailable):
        tokens.read_caller(sign(claims(issuer)))
    with pytest.raises(BackendUnavailable):
        tokens.read_caller(sign(claims(issuer)))
    issuer.down = False
    clock.now += PAUSE_SECONDS
    assert tokens.read_caller(sign(claims(issuer))).principal == "user-17"


def test_an_issuer_that_names_itself_otherwise_is_a_wrong_setting(issuer: Issuer, tokens: OidcTokens) -> None:
    issuer.name = "https://issuer.example"
    with pytest.raises(ConfigurationError, match="says that its name is"):
        tokens.read_caller(sign(claims(issuer)))


def test_other_claims_may_name_user_and_groups(issuer: Issuer) -> None:
    tokens = OidcTokens(issuer.address, audience=AUDIENCE, tenant="acme", principal_claim="email", groups_claim="roles")
    mail = claims(issuer, email="anna@acme.example", roles="hr", groups=["management"])
    assert tokens.read_caller(sign(mail | {"email_verified": True})).principals == {
        "everyone",
        "anna@acme.example",
        "hr",
    }
    with pytest.raises(AccessDenied, match="not verified"):
        tokens.read_caller(sign(mail | {"email_verified": False}))
