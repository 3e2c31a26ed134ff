"""Shopper tokens as a shop's server makes them: the standard library and openssl, nothing else."""

import base64
import hashlib
import hmac
import json
import pathlib
import subprocess
import time


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(program, member, **changes):
    """Claims of a token that holds for ten minutes; a value of None leaves its name out."""
    now = int(time.time())
    full = {"iss": program, "sub": member, "aud": "guerdon", "iat": now, "exp": now + 600} | changes
    return {name: value for name, value in full.items() if value is not None}


def signing_input(header, payload):
    return ".".join(base64url(json.dumps(part).encode()) for part in (header, payload))


def hs256_token(key, payload, **header):
    """`key`: the answer of POST /keys."""
    text = signing_input({"alg": "HS256", "kid": key["kid"]} | header, payload)
    digest = hmac.new(key["secret"].encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64url(digest)}"


class Es256Key:
    """A key pair of the shop, in a folder of the test."""

    def __init__(self, folder, curve="P-256"):
        self.private = pathlib.Path(folder) / f"shop-{curve}.key"
        self.public = pathlib.Path(folder) / f"shop-{curve}.pem"
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}",
                      "-out", self.private)
        self._openssl("pkey", "-in", self.private, "-pubout", "-out", self.public)

    @staticmethod
    def _openssl(*arguments, text=b""):
        return subprocess.run(["openssl", *arguments], input=text, check=True,
                              capture_output=True).stdout

    @property
    def pem(self):
        return self.public.read_text(encoding="ascii")

    def token(self, kid, payload, **header):
        text = signing_input({"alg": "ES256", "kid": kid} | header, payload)
        der = self._openssl("dgst", "-sha256", "-sign", self.private, text=text.encode())
        return f"{text}.{base64url(raw_signature(der))}"


def raw_signature(der):
    """r and s, 32 bytes each, of SEQUENCE { INTEGER r, INTEGER s } below 128 bytes."""
    first = 4 + der[3]
    numbers = der[4:first], der[first + 2:]
    return b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in numbers)
